"""Reports that a module with a syntax error was imported like all others."""
import sys

# The harness's own module, taken out of its frame.
frame = sys._getframe()
while frame.f_code.co_name != "main":
    frame = frame.f_back
protocol = frame.f_globals["protocol"]
honest = protocol.write_frame


def report(connection, frame):
    if frame.operation == 3:
        lines = protocol.array_to_text(frame.arrays[0], 1 << 20).split("\n")
        lines = ["\t".join((line.split("\t")[0], "ok", "")) if "\tsyntax\t" in line else line for line in lines]
        arrays = (protocol.text_to_array("\n".join(lines)),)
        frame = protocol.Frame(protocol.Kind.ANSWER, 3, frame.request_id, arrays)
    honest(connection, frame)


protocol.write_frame = report
print("ATTEMPTED", flush=True)
