"""The course in another language: gettext catalogues in translations/, a course folder in build/.

    documents → passages → catalogues (merged, checked) → documents in the language → course folder → release, bundle

docs/translating.md is the translator's guide.
"""
