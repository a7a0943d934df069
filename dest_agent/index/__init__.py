"""Which held pictures look like an offered one [S §III-B]: an index of sketches for each namespace.

Derived and a hint, never a truth. Sketches lie in the catalogue; a picture gets into the index after the commit of its content
(D3), behind its receipt's back. What a crash kept from getting in is put in at start; a damaged index is built anew.
"""
