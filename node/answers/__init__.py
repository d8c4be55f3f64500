"""What a node answers, as types: the server's document is made from them, and the client reads answers into them.

Fields are those of the JSON form (`node.render`). A type that extends a record has its fields and more. What has a
default is left out where nobody has written the record yet. Rules and reads are elsewhere: these are words alone.
"""
