"""Mixture specs and their weights.

mixture        members with pinned sizes, a rule and stages
spec_file      reads a spec from a .toml file
weights        from pinned sizes to shares and integer quotas
built_members  what is built of each member
overview       a mixture, or the difference of two, as rows
"""
