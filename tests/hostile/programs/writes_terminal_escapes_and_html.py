"""Puts terminal commands, HTML, NUL and reversed text into the log, error messages and names."""
import sys

from tinytorch.core import layers

EVIL = (
    "\x1b[2J\x1b]0;pwned\x07\x1b[31m\x00\x07\x08<script>alert(document.cookie)</script>"
    "<img src=x onerror=alert(1)>{{ settings.SECRET_KEY }}{% debug %}\u202egnp.exe\u2066\ud800\r\n=cmd|' /C calc'!A0"
)
sys.stdout.buffer.write(b"ATTEMPTED\n" + EVIL.encode("utf-8", "surrogatepass") + b"\xff\xfe\x80\n")
sys.stdout.flush()


def forward(self, x):
    raise type("Evil<script>", (Exception,), {})(EVIL)


layers.Linear.forward = forward
layers.Linear.__name__ = EVIL.replace("\x00", "")
