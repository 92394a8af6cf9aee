"""QR codes for what guests read with their phones."""

import segno


def qr_code(text: str) -> str:
    """Return a QR code as SVG that stands in a page by itself, dark on light in both themes."""
    code = segno.make(text, error="m", micro=False)
    drawn: str = code.svg_inline(
        scale=4, border=3, dark="#1e1a15", light="#fff", title="QR code", omitsize=True
    )
    return drawn
