"""Everything people and other tools read: terminal output, HTML, Markdown, files for CI, exports. It judges nothing."""
