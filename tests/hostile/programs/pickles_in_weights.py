"""Brings weights that are pickles in disguise (.npz with object arrays, .npy, .pkl): loading them would run a command."""
print("ATTEMPTED", flush=True)
