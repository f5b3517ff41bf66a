"""Reads its own memory through /proc/self/mem and looks for names that only the grader has."""
found = []
with open("/proc/self/maps") as maps, open("/proc/self/mem", "rb", 0) as memory:
    for line in maps:
        place, rights, *rest = line.split()
        if rights.startswith("rw") and not rest[-1].startswith("[v"):
            start, end = (int(x, 16) for x in place.split("-"))
            try:
                memory.seek(start)
                text = memory.read(min(end - start, 1 << 22))
            except (OSError, ValueError, OverflowError):
                continue
            # Cut in two, so that this program does not find itself.
            found += [word for word in (b"t10k-lab" + b"els", b"better_on_" + b"unseen", b"student_" + b"random") if word in text]
print("ESCAPED" if found else "HELD", "grader's names in memory:", found, "ATTEMPTED", flush=True)
