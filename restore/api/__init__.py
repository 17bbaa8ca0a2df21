"""The Python API for pictures: restorers, their calls checked and typed, and one function per task."""
