"""A screen of its own, real key and pointer events (XTEST), and the source's side of drag and drop (XDND 5)."""

import os
import struct
import subprocess
import time
import zlib

from Xlib import X, XK, Xatom, display
from Xlib.ext import xtest
from Xlib.protocol import event


def wait(what, is_done, seconds=60.0):
    """Polls until `is_done` gives something true, which comes back."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = is_done()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError(f"waited in vain for {what}")


class Screen:
    """An X server without a window manager, and a connection to it."""

    def __init__(self):
        reading, writing = os.pipe()
        self.server = subprocess.Popen(
            ["Xvfb", "-displayfd", str(writing), "-screen", "0", "1440x900x24", "-nolisten", "tcp"],
            pass_fds=[writing], stderr=subprocess.DEVNULL)
        os.close(writing)
        with os.fdopen(reading) as told:
            number = told.readline().strip()
        assert number, "Xvfb did not start"
        self.name = f":{number}"
        self.display = display.Display(self.name)
        self.root = self.display.screen().root

    def close(self):
        self.display.close()
        self.server.terminate()
        self.server.wait()

    def windows(self):
        """Top-level windows that take part in drag and drop: the program's."""
        aware = self.display.intern_atom("XdndAware")
        found = []
        for window in self.root.query_tree().children:
            try:
                if window.get_attributes().map_state == X.IsViewable and window.get_full_property(aware, X.AnyPropertyType):
                    found.append(window)
            except Exception:  # it went away meanwhile
                pass
        return found

    def focus(self, window):
        window.set_input_focus(X.RevertToParent, X.CurrentTime)
        self.display.sync()

    def move(self, x, y):
        xtest.fake_input(self.display, X.MotionNotify, x=x, y=y)
        self.display.sync()

    def click(self, x, y):
        self.move(x, y)
        for kind in (X.ButtonPress, X.ButtonRelease):
            xtest.fake_input(self.display, kind, 1)
            self.display.sync()
            time.sleep(0.03)  # as a finger; nothing is judged by it

    def key(self, *names):
        """Presses keys together, as ("Control_L", "z")."""
        codes = [self.display.keysym_to_keycode(XK.string_to_keysym(name)) for name in names]
        for code in codes:
            xtest.fake_input(self.display, X.KeyPress, code)
        for code in reversed(codes):
            xtest.fake_input(self.display, X.KeyRelease, code)
        self.display.sync()

    def ask_to_close(self, window):
        """What a window manager sends when the cross is clicked."""
        self.tell(window, "WM_PROTOCOLS", [self.display.intern_atom("WM_DELETE_WINDOW"), X.CurrentTime])

    def tell(self, window, kind, values):
        data = (values + [0] * 5)[:5]
        message = event.ClientMessage(window=window, client_type=self.display.intern_atom(kind), data=(32, data))
        window.send_event(message)
        self.display.sync()

    def save_picture(self, path):
        """The screen as PNG, written by hand: CI has no imaging library."""
        geometry = self.root.get_geometry()
        image = self.root.get_image(0, 0, geometry.width, geometry.height, X.ZPixmap, 0xFFFFFFFF)
        rows = bytearray()
        for y in range(geometry.height):
            row = image.data[4 * geometry.width * y:4 * geometry.width * (y + 1)]
            rgb = bytearray(3 * geometry.width)
            rgb[0::3], rgb[1::3], rgb[2::3] = row[2::4], row[1::4], row[0::4]
            rows += b"\0" + rgb

        def chunk(kind, data):
            body = kind + data
            return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

        header = struct.pack(">IIBBBBB", geometry.width, geometry.height, 8, 2, 0, 0, 0)
        with open(path, "wb") as file:
            file.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header)
                       + chunk(b"IDAT", zlib.compress(bytes(rows), 6)) + chunk(b"IEND", b""))


def drop(screen_name, target_id, paths, at):
    """Drags `paths` from a window of this process over the target, to the point `at` of the screen, and lets go.

    A connection of its own: to the program this is another client, as a file manager is.
    """
    connection = display.Display(screen_name)
    try:
        Source(connection, target_id, paths).drag(at)
    finally:
        connection.close()


class Source:
    def __init__(self, connection, target_id, paths):
        self.display = connection
        root = connection.screen().root
        self.window = root.create_window(0, 0, 1, 1, 0, X.CopyFromParent)
        self.target = connection.create_resource_object("window", target_id)
        self.data = "".join(f"file://{os.path.abspath(path)}\r\n".replace(" ", "%20") for path in paths).encode()
        self.atom = connection.intern_atom

    def drag(self, at):
        selection, uri_list = self.atom("XdndSelection"), self.atom("text/uri-list")
        # As a file manager: the pointer is the source's while it drags, so the target hears nothing of its way.
        self.window.map()
        self.window.set_selection_owner(selection, X.CurrentTime)
        self.display.sync()
        xtest.fake_input(self.display, X.MotionNotify, x=at[0], y=at[1])
        self.send("XdndEnter", [self.window.id, 5 << 24, uri_list, 0, 0])
        for _ in range(3):
            self.send("XdndPosition",
                      [self.window.id, 0, at[0] << 16 | at[1], X.CurrentTime, self.atom("XdndActionCopy")])
            status = self.serve_until("XdndStatus")
        assert status[1] & 1, "the window refuses the drop"
        self.send("XdndDrop", [self.window.id, 0, X.CurrentTime, 0, 0])
        self.serve_until("XdndFinished")

    def send(self, kind, values):
        message = event.ClientMessage(window=self.target, client_type=self.atom(kind), data=(32, values))
        self.target.send_event(message)
        self.display.sync()

    def serve_until(self, kind):
        """Answers requests for the data until the target says `kind`; what it said."""
        wanted = self.atom(kind)
        end = time.monotonic() + 30.0
        while time.monotonic() < end:
            if not self.display.pending_events():
                time.sleep(0.01)
                continue
            found = self.display.next_event()
            if found.type == X.SelectionRequest:
                self.answer(found)
            elif found.type == X.ClientMessage and found.client_type == wanted:
                return found.data[1]
        raise AssertionError(f"the window never said {kind}")

    def answer(self, request):
        request.requestor.change_property(request.property, request.target, 8, self.data)
        request.requestor.send_event(event.SelectionNotify(
            time=request.time, requestor=request.requestor, selection=request.selection,
            target=request.target, property=request.property))
        self.display.sync()
