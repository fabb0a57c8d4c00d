"""Official bytes to rows: where the files are, and how they are read.

official_files  which files a split needs, and where each comes from
folders         the files under `--source`
folder_search   an official file among them; near_misses: names that almost fit
located, files  an official file, and the files of a split read row by row
json_text       strict JSON
row             what a builder yields: a row or a drop
lookups         rows by a key, texts by an index, files that belong together
row_counts      whether the number of rows fits the split
media_finder    where the image or clip of a row is; media_folders, local_media: under `--source`
origins         lines that say where bytes came from
archives/       zip and tar, read in place
web/            downloads and crawls
"""
