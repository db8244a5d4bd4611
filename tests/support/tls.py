"""Certificates for tests, made with the openssl command: an authority, and what it signs."""

import socket
import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass
class Certificate:
    certificate: Path
    key: Path


def _openssl(*arguments):
    done = subprocess.run(["openssl", *map(str, arguments)], check=False, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode != 0:
        raise AssertionError(f"openssl {' '.join(map(str, arguments))}: {done.stdout}")


class Authority:
    """A certificate authority below `folder`; its certificate is `ca_file`."""

    def __init__(self, folder: Path, name="Test Authority"):
        self._folder = folder / name.replace(" ", "-")
        self._folder.mkdir(parents=True)
        self._serial = 0
        self.ca_file = self._folder / "ca.pem"
        self.key = self._folder / "ca.key"
        _openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                 "-keyout", self.key, "-out", self.ca_file, "-days", "30", "-subj", f"/CN={name}")

    def issue(self, *names: str, start: str | None = None, end: str | None = None) -> Certificate:
        """A server's certificate for "DNS:name" and "IP:address" names (default 127.0.0.1 and
        localhost). `start` and `end` are YYYYMMDDHHMMSSZ; without them it is valid now."""
        names = names or ("IP:127.0.0.1", "DNS:localhost")
        self._serial += 1
        stem = self._folder / str(self._serial)
        made = Certificate(stem.with_suffix(".pem"), stem.with_suffix(".key"))
        request, extensions = stem.with_suffix(".csr"), stem.with_suffix(".ext")
        extensions.write_text(f"subjectAltName={','.join(names)}\n")
        _openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                 "-keyout", made.key, "-out", request, "-subj", "/CN=server")
        database, serial = stem.with_suffix(".txt"), stem.with_suffix(".serial")
        database.touch()
        configuration = stem.with_suffix(".cnf")  # "openssl x509" cannot set dates; "ca" can
        configuration.write_text(
            f"[ca]\ndefault_ca=d\n[d]\ndatabase={database}\nserial={serial}\nnew_certs_dir={self._folder}\n"
            f"default_md=sha256\npolicy=p\n[p]\ncommonName=supplied\n")
        serial.write_text(f"{self._serial:04x}\n")
        dates = ["-startdate", start or "20200101000000Z", "-enddate", end or "20491231235959Z"]
        _openssl("ca", "-batch", "-notext", "-config", configuration, "-cert", self.ca_file, "-keyfile",
                 self.key, "-in", request, "-out", made.certificate, "-extfile", extensions, *dates)
        return made


def server_context(certificate: Certificate, **limits) -> ssl.SSLContext:
    """For a Python server; `limits` are attributes such as maximum_version."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    for name, value in limits.items():
        setattr(context, name, value)
    context.load_cert_chain(certificate.certificate, certificate.key)
    return context


def over_tls(context: ssl.SSLContext, serve):
    """serve(connection) for a connection that speaks TLS."""
    def serve_tls(connection: socket.socket):
        with context.wrap_socket(connection, server_side=True) as wrapped:
            serve(wrapped)
    return serve_tls
