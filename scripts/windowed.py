"""Runs the release build in a window on an X server without a screen (Xvfb), for pictures and measurements."""

import os
import struct
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BINARY = os.path.join(ROOT, ".build/release/switchback")
GUESTS = os.path.join(ROOT, "guests")
BUSYBOX = os.path.join(GUESTS, "busybox")


class Server:
    """Xvfb, whose pixels lie in a file: an X window dump."""

    def __init__(self, directory, width=1600, height=1000):
        self.path = os.path.join(directory, "Xvfb_screen0")
        self.process = subprocess.Popen(
            ["Xvfb", "-displayfd", "1", "-screen", "0", f"{width}x{height}x24", "-nolisten", "tcp",
             "-noreset", "-fbdir", directory],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.display = ":" + self.process.stdout.readline().decode().strip()
        self.environment = dict(os.environ, DISPLAY=self.display, SDL_AUDIODRIVER="dummy")

    def xdotool(self, *arguments):
        return subprocess.run(
            ["timeout", "60", "xdotool", *arguments], env=self.environment, check=True,
            capture_output=True, text=True).stdout

    def layout(self, data):
        """Where the first pixel is, and bytes from row to row; then width and height."""
        header = struct.unpack(">25I", data[:100])
        return header[0] + header[19] * 12, header[12], header[4], header[5]

    def screen(self):
        """Rows of blue, green, red, unused bytes."""
        with open(self.path, "rb") as file:
            data = file.read()
        start, row, width, height = self.layout(data)
        return [data[start + y * row:start + y * row + width * 4] for y in range(height)]

    def end(self):
        self.process.kill()
        self.process.wait()


class Run:
    """The program, in a window if there is a server."""

    def __init__(self, server, *arguments, limit=120):
        self.server = server
        self.seen = b""
        environment = server.environment if server else None
        self.process = subprocess.Popen(
            [BINARY, "run", *arguments, "--display", "window" if server else "none",
             "--time-limit", str(limit)],
            env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL)
        if server:
            self.window = self.search("Switchback \\(")
            server.xdotool("windowfocus", "--sync", self.window)

    def search(self, title):
        return self.server.xdotool("search", "--sync", "--onlyvisible", "--name", title).split()[0]

    def wait_for(self, text):
        """Waits for a text on the serial line and gives the host's time at which it came."""
        while text.encode() not in self.seen:
            piece = os.read(self.process.stdout.fileno(), 4096)
            if not piece:
                sys.exit(f"the guest ended before it said {text}")
            self.seen += piece
        self.seen = self.seen.split(text.encode(), 1)[1]
        return time.monotonic()

    def keys(self, *names):
        self.server.xdotool("key", "--delay", "60", *names)

    def type(self, text):
        self.server.xdotool("type", "--delay", "40", text)
        self.keys("Return")

    def place(self):
        lines = self.server.xdotool("getwindowgeometry", "--shell", self.window).split()
        values = dict(line.split("=") for line in lines)
        return tuple(int(values[key]) for key in ("X", "Y", "WIDTH", "HEIGHT"))

    def end(self):
        if self.server:
            self.keys("ctrl+alt+w")
        else:
            self.process.terminate()
        self.process.wait(timeout=60)


def ram_disk(directory, script):
    """An initial RAM disk of busybox that runs `script` once the file systems are there.
    Returns its path."""
    script = """#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin HOME=/ PS1='# '
mount -t proc proc /proc; mount -t sysfs sysfs /sys; mount -t devtmpfs devtmpfs /dev
echo 0 >/proc/sys/kernel/printk
""" + script
    tree = os.path.join(directory, "tree")
    for name in ("bin", "dev", "proc", "sys"):
        os.makedirs(os.path.join(tree, name))
    subprocess.run(["cp", BUSYBOX, os.path.join(tree, "bin")], check=True)
    os.symlink("busybox", os.path.join(tree, "bin/sh"))
    with open(os.path.join(tree, "init"), "w") as file:
        file.write(script)
    os.chmod(os.path.join(tree, "init"), 0o755)
    path = os.path.join(directory, "initrd")
    with open(path, "wb") as file:
        listing = subprocess.run(["find", "."], cwd=tree, capture_output=True, check=True).stdout
        subprocess.run([BUSYBOX, "cpio", "-o", "-H", "newc"], cwd=tree, input=listing, stdout=file,
                       stderr=subprocess.DEVNULL, check=True)
    return path


def linux(server, disk, append="", *arguments, limit=120):
    """Boots the Debian kernel with its console on the screen."""
    return Run(server, "--kernel", os.path.join(GUESTS, "vmlinuz-686"), "--initrd", disk,
               "--append", f"console=tty0 quiet cryptomgr.notests {append}", "--scale", "1",
               *arguments, limit=limit)


SHELL = """echo SHELL >/dev/ttyS0
exec setsid cttyhack sh </dev/tty0 >/dev/tty0 2>&1
"""
