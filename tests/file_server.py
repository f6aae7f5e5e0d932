"""A server of one file that keeps its word, breaks off, or knows no ranges."""

import http.server
import re
import threading


class FileServer(http.server.ThreadingHTTPServer):
    """One file over HTTP, at `url`.

    Attributes:
        content: its bytes; None: there is no such file.
        breaks_after: bytes after which the connection ends; None: it does not.
        ranges: whether a part of the file may be asked for.
        asked: the Range headers of all requests.
    """

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.content, self.breaks_after, self.ranges, self.asked = None, None, True, []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/file"


class _Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_GET(self):
        server = self.server
        server.asked.append(self.headers.get("Range"))
        body, first = server.content, 0
        if body is None:
            self.send_error(404)
            return
        if server.asked[-1] and server.ranges:
            first = int(re.fullmatch(r"bytes=(\d+)-", server.asked[-1]).group(1))
            if first >= len(body):
                self.send_error(416)
                return
        self.send_response(206 if first else 200)
        self.send_header("Content-Length", str(len(body) - first))
        self.end_headers()
        body = body[first:]
        self.wfile.write(body if server.breaks_after is None else body[: server.breaks_after])
