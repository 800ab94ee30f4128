"""What an error of TLS means, and what to do about it."""

from __future__ import annotations

import ssl
from typing import Final

CLOCK: Final = "look whether the clock of this machine is right, and have the certificate renewed"
NAME: Final = "connect by a name that it is for, or give such a name as server_hostname"
ISSUER: Final = (
    "if you trust its issuer, give that one's certificate to context.load_verify_locations(cafile=...) and pass "
    "ssl_context=context"
)

# By the number that OpenSSL gives to what is wrong with a certificate (X509_V_ERR_...).
REMEDIES: Final = {
    **dict.fromkeys((9, 10), CLOCK),
    **dict.fromkeys((62, 64), NAME),
    **dict.fromkeys((2, 18, 19, 20, 21), ISSUER),
}

# By the reason that OpenSSL gives to what went wrong on the wire; what the other side said is an ALERT.
MEANINGS: Final = {
    "WRONG_VERSION_NUMBER": "what came is no TLS",
    "PACKET_LENGTH_TOO_LONG": "what came is no TLS",
    "RECORD_LAYER_FAILURE": "what came is no TLS, or was tampered with",
    "UNKNOWN_PROTOCOL": "what came is no TLS",
    "HTTP_REQUEST": "what came is an HTTP request without TLS",
    "HTTPS_PROXY_REQUEST": "what came is a request to an HTTP proxy, without TLS",
    "UNSUPPORTED_PROTOCOL": "the other side wants a version of TLS that the SSL context does not allow",
    "TLSV1_ALERT_PROTOCOL_VERSION": "the other side does not allow any version of TLS that the SSL context does",
    "NO_SHARED_CIPHER": "the SSL context and the other side have no cipher in common; does it have a certificate?",
    "SSLV3_ALERT_HANDSHAKE_FAILURE": "the other side refused: no cipher in common, or it wants a certificate",
    "DECRYPTION_FAILED_OR_BAD_RECORD_MAC": "a record was tampered with on its way",
    "PEER_DID_NOT_RETURN_A_CERTIFICATE": "the client showed no certificate, and the SSL context wants one",
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": "the other side wants a certificate: context.load_cert_chain(...)",
    "TLSV1_ALERT_UNKNOWN_CA": "the other side does not trust the issuer of our certificate",
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN": "the other side does not trust our certificate",
    "SSLV3_ALERT_BAD_CERTIFICATE": "the other side does not accept our certificate",
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": "the other side finds that our certificate has expired",
    "TLSV1_UNRECOGNIZED_NAME": "the other side does not know the name it was asked for",
    "NO_APPLICATION_PROTOCOL": "both sides offer protocols (ALPN), and none in common",
    "TLSV1_ALERT_NO_APPLICATION_PROTOCOL": "both sides offer protocols (ALPN), and none in common",
}


def explain(error: ssl.SSLError) -> str:
    """What happened, in words, and OpenSSL's word for it."""
    reason = error.reason or str(error)
    meaning = MEANINGS.get(reason)
    if meaning is None and "_ALERT_" in reason:
        meaning = "the other side broke it off"
    return f"{meaning} ({reason})" if meaning is not None else reason


def handshake_error(error: ssl.SSLError, whom: str, first_bytes: bytes) -> ssl.SSLError:
    """The same error with a text that names the other side, what it said if that is no TLS, and what to do."""
    told: ssl.SSLError
    if isinstance(error, ssl.SSLCertVerificationError):
        remedy = REMEDIES.get(
            error.verify_code, "look at the certificate: openssl s_client -connect HOST:PORT -showcerts"
        )
        told = ssl.SSLCertVerificationError(
            error.errno, f"the certificate of {whom} is not to be trusted: {error.verify_message}; {remedy}"
        )
        told.verify_code, told.verify_message = error.verify_code, error.verify_message
    else:
        said = f"; it began with {first_bytes!r}" if first_bytes and not is_tls(first_bytes) else ""
        told = type(error)(error.errno, f"no TLS handshake with {whom}: {explain(error)}{said}")
    told.reason, told.library = error.reason, error.library
    return told


def is_tls(first_bytes: bytes) -> bool:
    """Whether this may be the beginning of a TLS record: an alert or a part of a handshake, of version 3."""
    return first_bytes[0] in (21, 22) and first_bytes[1:2] in (b"", b"\x03")
