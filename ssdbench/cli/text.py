"""Figures as words for the terminal."""


def duration(seconds: float) -> str:
    """Seconds as a person says them: 45 s, 3 min 20 s, 2 h 05 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def size(count_bytes: float) -> str:
    """Bytes in binary units with three digits."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count_bytes < 1024:
            return f"{count_bytes:.3g} {unit}" if unit != "B" else f"{count_bytes:.0f} B"
        count_bytes /= 1024
    return f"{count_bytes:.3g} TiB"
