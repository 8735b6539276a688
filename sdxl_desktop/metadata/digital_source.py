"""The XMP packet that marks a picture as machine-made, in the terms of IPTC's "digital source type"."""

from __future__ import annotations

_TYPES = "http://cv.iptc.org/newscodes/digitalsourcetype/"
GENERATED, COMPOSITE = "trainedAlgorithmicMedia", "compositeWithTrainedAlgorithmicMedia"
"""Made by a trained model, and a picture that was changed with one."""


def digital_source_packet(*, is_edit: bool) -> bytes:
    """Return the packet in UTF-8; `is_edit`: a picture was changed."""
    source = COMPOSITE if is_edit else GENERATED
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description rdf:about="" xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" '
        f'Iptc4xmpExt:DigitalSourceType="{_TYPES}{source}"/></rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
    ).encode()
