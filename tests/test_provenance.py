"""Requests for time stamps, and C2PA manifests that are signed here with certificates made here."""

from __future__ import annotations

import datetime
import hashlib
import json
import os
import sys
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import c2pa
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from lipaccord import provenance
from lipaccord.errors import BackendMissing, UnreadableMedia
from lipaccord.provenance import read_c2pa, timestamp_request

Key = ec.EllipticCurvePrivateKey
ORGANISATION, MAKER, TITLE = "Test <b>Org</b>", "made <i>by</i> a test", "A \u202e\x1b[31m title"
CAPTURE = "http://cv.iptc.org/newscodes/digitalsourcetype/digitalCapture"


def der(tag: int, content: bytes) -> bytes:
    """Return one element of DER; short contents only."""
    assert len(content) < 128
    return bytes([tag, len(content)]) + content


def test_a_request_is_what_rfc_3161_says() -> None:
    """TimeStampReq: version 1; SHA-256 (2.16.840.1.101.3.4.2.1) and the hash; certReq; no policy and no nonce."""
    algorithm = der(0x30, der(0x06, bytes.fromhex("608648016503040201")) + der(0x05, b""))
    imprint = der(0x30, algorithm + der(0x04, hashlib.sha256(b"a report").digest()))
    expected = der(0x30, der(0x02, b"\x01") + imprint + der(0x01, b"\xff"))
    assert timestamp_request(b"a report") == expected


def test_the_same_data_give_the_same_request() -> None:
    assert timestamp_request(b"a report") == timestamp_request(b"a report") != timestamp_request(b"A report")


def test_nothing_can_not_be_stamped() -> None:
    with pytest.raises(ValueError, match="cannot be empty"):
        timestamp_request(b"")


@pytest.mark.parametrize(("library", "name"), [("rfc3161_client", "rfc3161-client"), ("c2pa", "c2pa-python")])
def test_a_missing_library_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch, library: str, name: str) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    use: Callable[[], object] = (
        (lambda: timestamp_request(b"a")) if library == "rfc3161_client" else (lambda: read_c2pa(Path("clip.mp4")))
    )
    with pytest.raises(BackendMissing, match=rf"{name}.*; install it with: pip install 'lipaccord\[provenance\]'"):
        use()


def certificate(name: str, issuer: tuple[x509.Certificate, Key] | None = None) -> tuple[x509.Certificate, Key]:
    """Make a certificate: without an issuer one that signs others, with one a signer as C2PA asks for."""
    key, usages = ec.generate_private_key(ec.SECP256R1()), ("digital_signature", "key_cert_sign", "crl_sign")
    flags = ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement")
    off = dict.fromkeys((*flags, "encipher_only", "decipher_only"), False)
    on = dict(zip(usages, (issuer is not None, issuer is None, issuer is None), strict=True))
    subject = x509.Name(
        [x509.NameAttribute(NameOID.ORGANIZATION_NAME, ORGANISATION), x509.NameAttribute(NameOID.COMMON_NAME, name)]
    )
    signing = key if issuer is None else issuer[1]
    identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(signing.public_key())
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject if issuer is None else issuer[0].subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC))
        .not_valid_after(datetime.datetime(2124, 1, 1, tzinfo=datetime.UTC))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .add_extension(x509.KeyUsage(**on, **off), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(identifier, critical=False)
    )
    if issuer is not None:
        purpose = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION])
        builder = builder.add_extension(purpose, critical=False)
    return builder.sign(signing, hashes.SHA256()), key


@pytest.fixture(scope="module")
def signer_info() -> Any:
    authority = certificate("Test authority")
    own, key = certificate("Test signer", authority)
    chain = b"".join(one.public_bytes(serialization.Encoding.PEM) for one in (own, authority[0]))
    plain = serialization.NoEncryption()
    secret = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    return c2pa.C2paSignerInfo(alg=b"es256", sign_cert=chain, private_key=secret, ta_url=None)


MANIFEST: dict[str, Any] = {
    "claim_generator_info": [{"name": MAKER, "version": "1"}],
    "title": TITLE,
    "format": "video/mp4",
    "assertions": [
        {
            "label": "c2pa.actions",
            "data": {
                "actions": [
                    {"action": "c2pa.created", "digitalSourceType": CAPTURE, "when": "2024-05-01T12:00:00Z"},
                    {"action": "c2pa.edited", "softwareAgent": {"name": "Editor 3"}},
                ]
            },
        }
    ],
}


@pytest.fixture(scope="module")
def sign(
    fixture_clip: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory, signer_info: Any
) -> Callable[..., Path]:
    """Return a function that signs a fixture clip, with the manifest inside or at an address."""
    folder = tmp_path_factory.mktemp("signed")

    def signed(manifest: dict[str, Any], name: str, address: str | None = None, part: Path | None = None) -> Path:
        with c2pa.Signer.from_info(signer_info) as signer, c2pa.Builder(manifest) as builder:
            if address is not None:
                builder.set_remote_url(address)
                builder.set_no_embed()
            if part is not None:
                with part.open("rb") as file:
                    builder.add_ingredient({"title": "<part>", "relationship": "componentOf"}, "video/mp4", file)
            with fixture_clip("obama_speech").open("rb") as source, (folder / name).open("w+b") as target:
                builder.sign(signer, "video/mp4", source, target)
        return folder / name

    return signed


@pytest.fixture(scope="module")
def signed(sign: Callable[..., Path]) -> Path:
    return sign(MANIFEST, "signed.mp4")


def test_a_clip_without_a_manifest_has_none(fixture_clip: Callable[[str], Path]) -> None:
    assert read_c2pa(fixture_clip("obama_speech")) is None


def test_a_kind_of_file_that_carries_none_has_none(tmp_path: Path) -> None:
    (tmp_path / "clip.mkv").write_bytes(bytes.fromhex("1a45dfa3") + b"not C2PA's" * 100)
    assert read_c2pa(tmp_path / "clip.mkv") is None


def test_a_manifest_is_summed_up(signed: Path) -> None:
    found = read_c2pa(signed)
    assert found is not None
    [maker] = found.pop("claim_generators")
    assert maker.startswith(MAKER)
    assert found == {
        "state": "valid",
        "problems": ["signingCredential.untrusted: signing certificate untrusted"],
        "title": TITLE,
        "signer": {"issuer": ORGANISATION, "name": "Test signer", "algorithm": "Es256", "time": ""},
        "actions": [
            {"action": "c2pa.created", "when": "2024-05-01T12:00:00Z", "software": "", "source_type": CAPTURE},
            {"action": "c2pa.edited", "when": "", "software": "Editor 3", "source_type": ""},
        ],
        "ingredients": [],
    }


def test_the_name_of_the_file_does_not_matter(signed: Path, tmp_path: Path) -> None:
    (tmp_path / "clip.txt").write_bytes(signed.read_bytes())
    assert read_c2pa(tmp_path / "clip.txt") == read_c2pa(signed)


def test_a_changed_picture_makes_the_manifest_invalid(signed: Path, tmp_path: Path) -> None:
    data = bytearray(signed.read_bytes())
    data[-100] ^= 1
    (tmp_path / "changed.mp4").write_bytes(data)
    found = read_c2pa(tmp_path / "changed.mp4")
    assert found is not None
    assert found["state"] == "invalid"
    assert any("assertion.bmffHash.mismatch" in problem for problem in found["problems"])
    assert found["title"] == TITLE


def test_ingredients_are_named(sign: Callable[..., Path], fixture_clip: Callable[[str], Path]) -> None:
    found = read_c2pa(sign(MANIFEST, "composed.mp4", part=fixture_clip("obama_speech")))
    assert found is not None
    assert found["ingredients"] == [{"title": "<part>", "format": "video/mp4", "relationship": "componentOf"}]


def test_what_a_manifest_says_is_cut_short(sign: Callable[..., Path]) -> None:
    actions = [{"action": "c2pa.edited", "when": "w" * 500, "softwareAgent": "s" * 500}] * 50
    created = {"action": "c2pa.created", "digitalSourceType": CAPTURE}
    assertions = [{"label": "c2pa.actions", "data": {"actions": [created, *actions]}}]
    found = read_c2pa(sign(MANIFEST | {"title": "t" * 5000, "assertions": assertions}, "long.mp4"))
    assert found is not None
    assert found["title"] == "t" * 200
    assert len(found["actions"]) == 20
    assert len(json.dumps(found)) < 30_000


class Listener:
    """A server on this machine that counts who asks it."""

    def __init__(self) -> None:
        asked: list[str] = []

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked.append(self.path)
                self.send_error(404)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base class calls it that
                """Say nothing."""

        self.asked = asked
        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}/manifest.c2pa"


@pytest.fixture
def listener() -> Iterator[Listener]:
    made = Listener()
    thread = Thread(target=made.server.serve_forever)
    thread.start()
    yield made
    made.server.shutdown()
    thread.join()
    made.server.server_close()


def test_a_manifest_elsewhere_is_named_and_not_fetched(sign: Callable[..., Path], listener: Listener) -> None:
    clip = sign(MANIFEST, "remote.mp4", listener.address)
    assert listener.asked == []
    found = read_c2pa(clip)
    assert listener.asked == []
    assert found is not None
    assert found["state"] == "elsewhere"
    assert listener.address in found["problems"][0]
    assert found["signer"] == {"issuer": "", "name": "", "algorithm": "", "time": ""}


@pytest.mark.parametrize("switch", ["core", "verify"])
def test_each_of_the_two_switches_forbids_the_network(
    sign: Callable[..., Path], listener: Listener, monkeypatch: pytest.MonkeyPatch, switch: str
) -> None:
    """Without both the library asks: so the test would notice if it did, or if a switch had another name."""
    clip = sign(MANIFEST, "remote.mp4", listener.address)
    monkeypatch.setattr(provenance, "C2PA_SETTINGS", {switch: provenance.C2PA_SETTINGS[switch]})
    found = read_c2pa(clip)
    assert found is not None
    assert (found["state"], listener.asked) == ("elsewhere", [])
    monkeypatch.setattr(provenance, "C2PA_SETTINGS", {})
    read_c2pa(clip)
    assert listener.asked == ["/manifest.c2pa"]


def test_a_file_that_can_not_be_read_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UnreadableMedia, match="does not exist"):
        read_c2pa(tmp_path / "nowhere.mp4")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UnreadableMedia, match="is a pipe or a device"):
        read_c2pa(tmp_path / "pipe")


@pytest.fixture
def says(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Let the library say what the test puts into the list."""
    said: list[str] = []
    monkeypatch.setattr(c2pa.Reader, "json", lambda self: said[0])
    yield said
    assert said


@pytest.mark.parametrize(
    "store",
    [
        "{",
        "[" * 100_000,
        "[]",
        "null",
        "{}",
        '{"active_manifest": 1, "manifests": [], "validation_state": []}',
        '{"active_manifest": "a", "manifests": {"a": 1}, "validation_state": "Splendid", "validation_status": {}}',
    ],
    ids=range(7),
)
def test_what_makes_no_sense_is_unreadable(signed: Path, says: list[str], store: str) -> None:
    says.append(store)
    found = read_c2pa(signed)
    assert found is not None
    assert found["state"] == "unreadable"
    assert (found["title"], found["actions"], found["ingredients"], found["claim_generators"]) == ("", [], [], [])


def test_a_manifest_may_hold_anything_anywhere(signed: Path, says: list[str]) -> None:
    manifest: dict[str, Any] = {
        "title": {"a": 1},
        "claim_generator_info": ["x", {"name": 1, "version": "2"}, None],
        "signature_info": ["a"],
        "assertions": [1, {"label": 2}, {"label": "c2pa.actions.v2", "data": []}, {"label": "c2pa.actions"}],
        "ingredients": [7, {"title": ["a"], "format": "f"}],
    }
    of_another_kind = {"label": "other", "data": {"actions": [{"action": "x"}]}}
    mixed = {"label": "c2pa.actions", "data": {"actions": [None, {"softwareAgent": 5}, {"softwareAgent": "Editor 2"}]}}
    manifest["assertions"] += [of_another_kind, mixed]
    store = {"active_manifest": "a", "manifests": {"a": manifest}, "validation_state": "Valid"}
    says.append(json.dumps(store | {"validation_status": ["x", {"code": "c", "explanation": 3}]}))
    found = read_c2pa(signed)
    nothing = {"action": "", "when": "", "software": "", "source_type": ""}
    assert found == {
        "state": "valid",
        "problems": [": ", "c: "],
        "title": "",
        "claim_generators": ["", "2", ""],
        "signer": {"issuer": "", "name": "", "algorithm": "", "time": ""},
        "actions": [nothing, nothing, nothing | {"software": "Editor 2"}],
        "ingredients": [
            {"title": "", "format": "", "relationship": ""},
            {"title": "", "format": "f", "relationship": ""},
        ],
    }


def test_lists_are_cut_short(signed: Path, says: list[str]) -> None:
    assertion = {"label": "c2pa.actions", "data": {"actions": [{"action": "c2pa.edited"}] * 15}}
    manifest = {"assertions": [assertion] * 3, "ingredients": [{}] * 30, "claim_generator_info": [{}] * 30}
    store = {"active_manifest": "a", "manifests": {"a": manifest}, "validation_status": [{}] * 30}
    says.append(json.dumps(store | {"validation_state": "Trusted"}))
    found = read_c2pa(signed) or {}
    assert found["state"] == "trusted"
    lengths = {name: len(found[name]) for name in ("problems", "claim_generators", "actions", "ingredients")}
    assert lengths == dict.fromkeys(lengths, 20)


def test_a_manifest_beyond_all_measure_is_unreadable(
    signed: Path, says: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    says.append('{"validation_state": "Valid"}')
    monkeypatch.setattr(provenance, "MAX_MANIFEST_CHARACTERS", len(says[0]))
    assert (read_c2pa(signed) or {})["state"] == "valid"
    monkeypatch.setattr(provenance, "MAX_MANIFEST_CHARACTERS", len(says[0]) - 1)
    found = read_c2pa(signed) or {}
    assert (found["state"], found["problems"]) == ("unreadable", ["it is larger than any manifest"])


def test_a_damaged_manifest_is_unreadable(signed: Path, tmp_path: Path) -> None:
    data = bytearray(signed.read_bytes())
    place = data.index(b"jumb") + 20
    data[place : place + 400] = bytes(400)
    (tmp_path / "damaged.mp4").write_bytes(data)
    found = read_c2pa(tmp_path / "damaged.mp4")
    assert found is not None
    assert found["state"] == "unreadable"
    assert found["problems"][0]
