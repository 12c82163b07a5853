"""People set the expected output of cases, one key per label. Needs the extra `label` for its terminal interface.

    source.py     what is to be labelled: a suite's cases, or those of a case file
    task.py       which labels there are, and their keys
    marks.py      what one person said of each case, as a history that can be undone
    journal.py    the history on disk, safe before the next key is read
    session.py    where that person is: the order, the filter, the next case without a label
    agreement.py  how far two people agree, and what stands when several labelled
    writing.py    labels become `expected` in the files that hold the cases
    app.py        the terminal interface over a session

Only app.py and the modules under it (panes.py, dialogs.py) import Textual.
"""
