"""Hostile bytes for everything that reads bytes of others: files, containers, edits, bodies of every method.

    seeds.py      files and deltas, made at run time
    mutations.py  how they are spoilt
    attacks.py    what is done with them, and what must hold; a table
    prey.py       the process in which that happens, with limits of memory and time, watched line by line
    hunt.py       picks, spoils, keeps what reached something new, and saves what it found

Python's lines guide it, and what the compiled kernel says: the words of its errors. atheris and AFL would guide it by the
kernel's branches too, but need extensions built for them alone, and do not run where there is only what `make test` installs.
"""
