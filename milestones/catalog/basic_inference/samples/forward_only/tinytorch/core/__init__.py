"""The building blocks of TinyTorch."""
