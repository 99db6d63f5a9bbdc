from executor.__main__ import without_current_folder


def test_the_current_folder_is_taken_from_the_import_path():
    assert without_current_folder(["", "/lib"], "/here") == ["/lib"]
    assert without_current_folder(["/here", "/lib"], "/here") == ["/lib"]


def test_nothing_else_is_taken():
    assert without_current_folder(["/lib", "/here"], "/here") == ["/lib", "/here"]
    assert without_current_folder([], "/here") == []
