"""`aws cloudformation package` accepts a generated set. S3 is a stand-in on loopback: a proxy that
answers for every host itself."""

import http.server
import json
import os
import shutil
import socketserver
import ssl
import subprocess
import threading

from harness import CommandTest, main


class FakeS3(http.server.BaseHTTPRequestHandler):
    """Answers a CONNECT, then speaks TLS as the host that was asked for, and keeps what is put."""

    protocol_version = "HTTP/1.1"

    def do_CONNECT(self):
        self.send_response(200)
        self.end_headers()
        self.connection = self.server.tls.wrap_socket(self.connection, server_side=True)
        self.rfile = self.connection.makefile("rb")
        self.wfile = self.connection.makefile("wb", buffering=0)
        self.close_connection = False

    def do_HEAD(self):
        self.answer(404)

    def do_PUT(self):
        self.server.stored[self.path] = self.body()
        self.answer(200)

    def body(self) -> bytes:
        """Newer releases of the AWS CLI send chunks, older ones a length."""
        if "Content-Length" in self.headers:
            return self.rfile.read(int(self.headers["Content-Length"]))
        content = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            content += self.rfile.read(size)
            self.rfile.readline()
        while self.rfile.readline().strip():  # trailers
            pass
        return content

    def answer(self, code):
        self.send_response(code)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def finish(self):
        super().finish()
        self.connection.close()

    def log_message(self, *_):
        pass


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True


class Package(CommandTest):
    def setUp(self):
        super().setUp()
        self.aws = os.environ.get("AWS_CLI") or shutil.which("aws")
        if not self.aws:
            if os.environ.get("CI"):
                self.fail("the AWS CLI is missing: CI has to have it (package awscli)")
            self.skipTest("the AWS CLI is missing")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
                        "-subj", "/CN=s3", "-keyout", "key.pem", "-out", "cert.pem", "-addext",
                        "subjectAltName=DNS:*.amazonaws.com,DNS:*.s3.eu-west-1.amazonaws.com,"
                        "DNS:*.s3.amazonaws.com,DNS:s3.eu-west-1.amazonaws.com"],
                       cwd=self.dir, check=True, capture_output=True)
        self.server = Server(("127.0.0.1", 0), FakeS3)
        self.server.stored = {}
        self.server.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.server.tls.load_cert_chain(self.dir / "cert.pem", self.dir / "key.pem")
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.addCleanup(self.server.server_close)
        self.addCleanup(self.server.shutdown)

    def test_package_uploads_every_component_and_points_at_it(self):
        self.expect("moodle-stack", "generate", "-q", "-o", "out", "--with", "cloudfront",
                    "--with", "dns", out="#facts 1\nstack-result=changed\n#end\n")
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.dir),
                       "AWS_ACCESS_KEY_ID": "none", "AWS_SECRET_ACCESS_KEY": "none",
                       "AWS_DEFAULT_REGION": "eu-west-1", "AWS_EC2_METADATA_DISABLED": "true",
                       "AWS_CA_BUNDLE": str(self.dir / "cert.pem"),
                       "HTTPS_PROXY": f"http://127.0.0.1:{self.server.server_port}"}
        done = subprocess.run([self.aws, "cloudformation", "package", "--template-file",
                               "out/main.yaml", "--s3-bucket", "bucket", "--use-json"],
                              cwd=self.dir, env=environment, capture_output=True, text=True,
                              timeout=120, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        packaged = json.loads(done.stdout)
        urls = [resource["Properties"]["TemplateURL"]
                for resource in packaged["Resources"].values()]
        components = {path.name for path in (self.dir / "out").glob("*.yaml")} - {"main.yaml"}
        self.assertEqual(len(urls), len(components) + 1)  # both caches are one template
        stored = {path.split("?")[0].rsplit("/", 1)[-1] for path in self.server.stored}
        self.assertEqual({url.rsplit("/", 1)[-1] for url in urls}, stored)
        self.assertEqual(len(stored), len(components))


if __name__ == "__main__":
    main()
