"""Makes set-user-id copies of programs and runs them and the host's own."""
import os
import shutil
import subprocess

print("ATTEMPTED", flush=True)
shutil.copy("/usr/bin/python3", "/tmp/root-python")
try:
    os.chown("/tmp/root-python", 0, 0)
    print("ESCAPED: gave a file to root", flush=True)
except OSError as error:
    print("HELD:", error.strerror)
os.chmod("/tmp/root-python", 0o6755)
for program in (["/tmp/root-python", "-S", "-c", "import os; print(os.geteuid())"], ["/usr/bin/su"], ["/usr/bin/sudo", "-n", "id"]):
    try:
        said = subprocess.run(program, capture_output=True, text=True, timeout=2).stdout.strip()
        print("ESCAPED: is root" if said == "0" or "uid=0" in said else "HELD:", program[0], said, flush=True)
    except (OSError, subprocess.SubprocessError) as error:
        print("HELD:", program[0], error)
