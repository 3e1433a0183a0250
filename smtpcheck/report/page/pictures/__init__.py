"""What can be drawn of a report? One picture a file: a pure function of the report or a result, and the languages.

Inline SVG within plain HTML, without a script. A colour comes from the page's style sheet (`--ok`, `--fail` ...) and,
where there is none, as in a notebook, is a mid tone that stands out on white and on black; text is `currentColor`.
No colour is the only sign: every status has a shape of its own, and its words.
"""
