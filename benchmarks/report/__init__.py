"""One set of results, four forms: `terminal`, `jsonfile`, `markdown`, `svg`. `wording` says numbers alike in all of them."""
