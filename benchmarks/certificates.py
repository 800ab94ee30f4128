"""The certificate of the servers that are measured: made once, and kept where git does not look."""

import ssl

import trustme

from benchmarks import native


def server_context() -> ssl.SSLContext:
    """What a server of TLS needs: a certificate for 127.0.0.1, signed by nobody whom anybody knows."""
    path = native.cache_folder("tls") / "server.pem"
    if not path.exists():
        certificate = trustme.CA().issue_cert("127.0.0.1")
        unfinished = path.with_suffix(".unfinished")
        certificate.private_key_and_cert_chain_pem.write_to_path(unfinished)
        unfinished.replace(path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context
