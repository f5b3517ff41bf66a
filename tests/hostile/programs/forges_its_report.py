"""Reports modules and components that it does not have, with names of absurd length and number."""
import sys

# The harness's own module and socket, taken out of its frame.
frame = sys._getframe()
while frame.f_code.co_name != "main":
    frame = frame.f_back
protocol, connection = frame.f_globals["protocol"], frame.f_locals["connection"]

honest = protocol.write_frame


def report(connection, frame):
    if frame.operation == 3:
        lines = [f"component:{'x' * 3000}{n}\tok\t{'y' * 3000}" for n in range(5)]
        lines += [f"component:{name}\tok\tnone" for name in ("tensor", "dense", "sgd", "softmax")]
        lines += ["\t\t", "precision:\tfloat16\t", "a\tsyntax\t" + "z" * 2000] + ["m\tok\t"] * 2000
        arrays = (protocol.text_to_array("\n".join(lines)[:60_000]),)
        frame = protocol.Frame(protocol.Kind.ANSWER, 3, frame.request_id, arrays)
    honest(connection, frame)


protocol.write_frame = report
print("ATTEMPTED", flush=True)
