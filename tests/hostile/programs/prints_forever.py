"""Prints without end."""
print("ATTEMPTED", flush=True)
while True:
    print("I will not print in class. " * 1000)
