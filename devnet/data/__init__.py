"""The profiles that scenarios replay, and the script that rebuilds them from public packages."""
