"""Runs other programs and reads what they say."""
import subprocess
import sys

said = subprocess.run([sys.executable or "/usr/bin/python3", "-c", "print(6 * 7)"], capture_output=True, text=True, check=True)
assert said.stdout.strip() == "42", said
print("FINE", flush=True)
