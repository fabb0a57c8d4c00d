"""Official bytes to rows: finding the files, and reading them.

official_files  which files a split needs, and where each comes from
folders         the files under `--source`
folder_search   finds an official file among them; near_misses: similar names
located, files  an official file; the files of a split, read row by row
json_text       strict JSON
row             what a builder yields: a row or a drop
lookups         rows by key, texts by index, files that belong together
row_counts      whether the number of rows fits the split
media_finder    finds the image or clip of a row; media_folders, local_media: under `--source`
origins         where the bytes came from, for the manifest
archives/       zip and tar, read in place
web/            downloads and crawls
"""
