#!/usr/bin/env python3
"""Makes the pictures of docs/images from our own guests: brings the window into a state with xdotool and saves what it
shows. `make pictures` calls it."""

import os
import struct
import tempfile
import time
import zlib

from windowed import ROOT, Run, Server, SHELL, linux, ram_disk

IMAGES = os.path.join(ROOT, "docs/images")


def save(run, name):
    x, y, width, height = run.place()
    rows = [row[x * 4:(x + width) * 4] for row in run.server.screen()[y:y + height]]
    write_png(os.path.join(IMAGES, name), width, rows)
    print(f"docs/images/{name}: {width}x{height}", flush=True)


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


def demonstration(server):
    """The window around the demonstration: running, its keys, the mouse captured, paused, scaled."""
    run = Run(server, "--demo", "--scale", "1", "--engine", "translator")
    run.wait_for("ring 3")
    time.sleep(2)
    save(run, "demonstration.png")
    run.keys("space", "ctrl+alt+h")
    time.sleep(0.5)
    save(run, "keys.png")
    run.keys("ctrl+alt+h")
    x, y, width, height = run.place()
    server.xdotool("mousemove", str(x + width // 2), str(y + height // 2), "click", "1")
    run.search("releases")
    time.sleep(0.5)
    save(run, "mouse.png")
    run.keys("ctrl+alt+g", "ctrl+alt+p")
    run.search("paused")
    server.xdotool("mousemove", "0", "0", "windowsize", "--sync", run.window, "1100", "633")
    time.sleep(0.5)
    save(run, "paused.png")
    run.end()


BUSY = """cat >/root/work <<'END'
while :; do dd if=/dev/zero bs=1M count=12 2>/dev/null | md5sum; done
END
"""


def graphs(server, directory):
    """Work in a Linux guest while the engine is changed every few seconds."""
    script = "mkdir -p /root; cd /root\n" + BUSY + SHELL
    run = linux(server, ram_disk(directory, script), "", "--engine", "translator", "--mhz", "1000",
                limit=200)
    run.wait_for("SHELL")
    server.xdotool("mousemove", "0", "0")
    run.keys("ctrl+alt+o")
    time.sleep(2)
    run.type("sh work")
    # The translator, then adaptive, direct, the interpreter, and round again.
    for _ in range(7):
        time.sleep(6)
        run.keys("ctrl+alt+e")
    time.sleep(6)
    save(run, "graphs.png")
    run.end()


def console(server, directory, name, append):
    run = linux(server, ram_disk(directory, SHELL), append, "--engine", "translator")
    run.wait_for("SHELL")
    time.sleep(1)
    run.type("uname -a; free; cat /proc/fb; ls /")
    time.sleep(2)
    save(run, name)
    run.end()


def main():
    os.makedirs(IMAGES, exist_ok=True)
    with tempfile.TemporaryDirectory() as directory:
        server = Server(directory)
        try:
            demonstration(server)
            for name, append in (("linux.png", ""), ("framebuffer.png", "vga=0x314")):
                with tempfile.TemporaryDirectory() as tree:
                    console(server, tree, name, append)
            with tempfile.TemporaryDirectory() as tree:
                graphs(server, tree)
        finally:
            server.end()


if __name__ == "__main__":
    main()
