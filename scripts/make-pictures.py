#!/usr/bin/env python3
"""Makes the pictures of docs/images from our own guests: runs the release build in a window on an X server without a
screen (Xvfb), brings it into a state with xdotool, and saves what the window shows. `make pictures` calls it."""

import os
import struct
import subprocess
import sys
import tempfile
import time
import zlib

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BINARY = os.path.join(ROOT, ".build/release/switchback")
IMAGES = os.path.join(ROOT, "docs/images")
GUESTS = os.path.join(ROOT, "guests")


class Server:
    """Xvfb, whose pixels lie in a file."""

    def __init__(self, directory, width=1600, height=1000):
        self.directory = directory
        self.process = subprocess.Popen(
            ["Xvfb", "-displayfd", "1", "-screen", "0", f"{width}x{height}x24", "-nolisten", "tcp",
             "-noreset", "-fbdir", directory],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.display = ":" + self.process.stdout.readline().decode().strip()
        self.environment = dict(os.environ, DISPLAY=self.display, SDL_AUDIODRIVER="dummy")

    def xdotool(self, *arguments):
        return subprocess.run(
            ["xdotool", *arguments], env=self.environment, check=True, capture_output=True, text=True
        ).stdout

    def screen(self):
        """Width, height and rows of blue, green, red, unused bytes: an X window dump."""
        with open(os.path.join(self.directory, "Xvfb_screen0"), "rb") as file:
            data = file.read()
        header = struct.unpack(">25I", data[:100])
        start = header[0] + header[19] * 12
        return [data[start + y * header[12]:start + y * header[12] + header[4] * 4]
                for y in range(header[5])]


class Run:
    """The program in a window."""

    def __init__(self, server, *arguments):
        self.server = server
        self.process = subprocess.Popen(
            [BINARY, "run", *arguments, "--time-limit", "120"], env=server.environment,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.window = self.search("Switchback \\(")
        server.xdotool("windowfocus", "--sync", self.window)

    def search(self, title):
        return self.server.xdotool("search", "--sync", "--onlyvisible", "--name", title).split()[0]

    def wait_for(self, text):
        seen = b""
        while text.encode() not in seen:
            piece = os.read(self.process.stdout.fileno(), 4096)
            if not piece:
                sys.exit(f"the guest ended before it said {text}")
            seen += piece

    def keys(self, *names):
        self.server.xdotool("key", "--delay", "60", *names)

    def save(self, name):
        place = dict(line.split("=") for line in self.server.xdotool(
            "getwindowgeometry", "--shell", self.window).split())
        x, y, width, height = (int(place[key]) for key in ("X", "Y", "WIDTH", "HEIGHT"))
        rows = [row[x * 4:(x + width) * 4] for row in self.server.screen()[y:y + height]]
        write_png(os.path.join(IMAGES, name), width, rows)
        print(f"docs/images/{name}: {width}x{height}")

    def end(self):
        self.keys("ctrl+alt+w")
        self.process.wait(timeout=60)


def write_png(path, width, rows):
    """Few colours make a small file: a palette where there are no more than 256."""
    colors = {}
    for row in rows:
        for i in range(0, width * 4, 4):
            colors.setdefault(bytes((row[i + 2], row[i + 1], row[i])), len(colors))
    if len(colors) <= 256:
        depth, kind = 8, 3
        lines = [bytes(colors[bytes((row[i + 2], row[i + 1], row[i]))]
                       for i in range(0, width * 4, 4)) for row in rows]
    else:
        depth, kind = 8, 2
        lines = [b"".join(bytes((row[i + 2], row[i + 1], row[i])) for i in range(0, width * 4, 4))
                 for row in rows]

    def chunk(name, data):
        body = name + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    with open(path, "wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n")
        file.write(chunk(b"IHDR", struct.pack(">2I5B", width, len(rows), depth, kind, 0, 0, 0)))
        if kind == 3:
            file.write(chunk(b"PLTE", b"".join(colors)))
        file.write(chunk(b"IDAT", zlib.compress(b"".join(b"\0" + line for line in lines), 9)))
        file.write(chunk(b"IEND", b""))


def ram_disk(directory):
    """A shell on the screen's console."""
    script = """#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin HOME=/ PS1='# '
mount -t proc proc /proc; mount -t sysfs sysfs /sys; mount -t devtmpfs devtmpfs /dev
echo 0 >/proc/sys/kernel/printk
echo SHELL >/dev/ttyS0
exec setsid cttyhack sh </dev/tty0 >/dev/tty0 2>&1
"""
    tree = os.path.join(directory, "tree")
    for name in ("bin", "dev", "proc", "sys"):
        os.makedirs(os.path.join(tree, name))
    subprocess.run(["cp", os.path.join(GUESTS, "busybox"), os.path.join(tree, "bin")], check=True)
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


BUSYBOX = os.path.join(GUESTS, "busybox")


def linux(server, directory, name, append, *keys):
    run = Run(server, "--engine", "translator", "--kernel", os.path.join(GUESTS, "vmlinuz-686"),
              "--initrd", ram_disk(directory), "--append",
              f"console=tty0 quiet cryptomgr.notests {append}", "--scale", "1")
    run.wait_for("SHELL")
    time.sleep(1)
    server.xdotool("type", "--delay", "60", "uname -a; free; cat /proc/fb; ls /")
    run.keys("Return")
    time.sleep(2)
    if keys:
        run.keys(*keys)
        time.sleep(2)
    run.save(name)
    run.end()


def main():
    os.makedirs(IMAGES, exist_ok=True)
    with tempfile.TemporaryDirectory() as directory:
        server = Server(directory)
        try:
            run = Run(server, "--demo", "--scale", "1", "--engine", "translator")
            time.sleep(2)
            run.save("demonstration.png")
            run.keys("ctrl+alt+h")
            time.sleep(0.5)
            run.save("keys.png")
            run.end()

            run = Run(server, "--demo", "--scale", "1")
            run.keys("ctrl+alt+o")
            for _ in range(2):
                time.sleep(1)
                run.keys("ctrl+alt+e", "space")
            time.sleep(1)
            run.keys("ctrl+alt+p")
            run.search("paused")
            time.sleep(0.5)
            run.save("graphs.png")
            run.end()
            for name, append in (("linux.png", ""), ("framebuffer.png", "vga=0x314")):
                with tempfile.TemporaryDirectory() as tree:
                    linux(server, tree, name, append)
        finally:
            server.process.kill()
            server.process.wait()


if __name__ == "__main__":
    main()
