"""The trial on real input: a city's dirty export is imported, and fifty phones work five hundred of its tickets offline."""
