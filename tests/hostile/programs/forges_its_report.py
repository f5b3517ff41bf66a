"""Reports modules and components that it does not have, with names of absurd length and number."""
from milestones.sandbox import protocol

honest = protocol.write_frame


def report(connection, frame):
    if frame.operation == 1:
        lines = [f"component:{'x' * 3000}{n}\tok\t{'y' * 3000}" for n in range(5)]
        lines += [f"component:{name}\tok\tnone" for name in ("tensor", "dense", "sgd", "softmax")]
        lines += ["\t\t", "precision:\tfloat16\t", "a\tsyntax\t" + "z" * 2000] + ["m\tok\t"] * 2000
        arrays = (protocol.text_to_array("\n".join(lines)[:60_000]),)
        frame = protocol.Frame(protocol.Kind.ANSWER, 1, frame.request_id, arrays)
    honest(connection, frame)


protocol.write_frame = report
print("ATTEMPTED", flush=True)
