"""One set of results in four forms: `terminal`, `jsonfile`, `markdown`, `svg`; `wording` says numbers alike in all."""
