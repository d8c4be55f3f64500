"""Dispatch cases and solutions as files, and what people are shown of them."""
