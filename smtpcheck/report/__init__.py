"""How is one `core.Report` shown? One module a format, each with a pure `render(report, ...) -> str`."""
