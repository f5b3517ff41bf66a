"""Follows links and .. out of every folder it is given, and leaves links for the grader to follow."""
import os

print("ATTEMPTED", flush=True)
for path in ("/submission/../../../../etc/shadow", "/proc/self/root/../etc/shadow", "/proc/self/cwd/../../etc/shadow",
             "/root/.ssh/id_rsa", "/var/lib/tinytorch-assessment", "/home", "/srv", "/run/tinytorch-sandbox", "/opt"):
    if os.path.exists(path):
        print("ESCAPED: sees", path, flush=True)
for target in ("/etc/passwd", "/proc/1/environ", "/dev/zero", "/"):
    for place in ("/tmp/export", "/tmp/log", "/submission/link", "/harness/link"):
        try:
            os.symlink(target, f"{place}-{os.path.basename(target) or 'root'}")
            if not place.startswith("/tmp"):
                print("ESCAPED: made a link in", place, flush=True)
        except OSError:
            print("HELD:", place)
for folder, _folders, files in os.walk("/"):
    if folder.startswith(("/proc", "/sys", "/tmp", "/dev", "/submission")):
        continue
    for name in files:
        if name.endswith(("-ubyte", "-ubyte.gz", ".sqlite3", ".pem", ".env", "rubric.toml")):
            print("ESCAPED: sees", folder, name, flush=True)
        if os.access(os.path.join(folder, name), os.W_OK):
            print("ESCAPED: may write", folder, name, flush=True)
