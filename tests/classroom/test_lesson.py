"""A lesson's source: cells, ids, formulas and claims, and a sentence for each mistake in it."""

from pathlib import Path

import pytest

from course_lib.classroom.lesson import METADATA, LessonError, insert, nearest, read_lesson, select

FORMULAS = {"cam": ("definition", r"M_c = \sum_k w_k A^k"), "cam-sum": ("identity", "S = Z")}
SYMBOLS = {"A": "A^k", "w_ij": r"w_{ij}"}


def write(root: Path, text: str, name: str = "01_fake") -> Path:
    source = root / "notebooks" / "source" / f"{name}.py"
    source.parent.mkdir(parents=True, exist_ok=True)
    source.write_text(text, "utf-8")
    return root


def test_cells_carry_their_ids_tags_and_texts(tmp_path):
    text = '# %% [markdown] id="opening"\n# # Title\n# {{A}}\n\n# %% id="sum" tags=["warns", "b"]\n1 + 1\n'
    notebook = read_lesson("01_fake", write(tmp_path, text)).notebook
    cells = [(cell.cell_type, cell.id, cell.source, dict(cell.metadata)) for cell in notebook.cells]
    assert cells == [
        ("markdown", "opening", "# Title\n$A^k_{ij}$", {}),
        ("code", "sum", "1 + 1", {"tags": ["warns", "b"]}),
    ]
    assert notebook.metadata == {**METADATA, "course": {"lesson": "01_fake"}}
    assert "version" not in notebook.metadata.language_info and notebook.nbformat_minor == 5


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('# %% id="a"\n1\n\n# %%\n2\n', "notebooks/source/01_fake.py, line 4: this cell has no id; write"),
        ("# %% [markdown]\n# text\n", "notebooks/source/01_fake.py, line 1: this cell has no id; write"),
        ('# %% id="a b"\n1\n', "line 1: this cell has the id 'a b', which isn't made of letters, digits, - and _"),
        ('# %% id="a"\n1\n\n# %% id="a"\n2\n', "line 4: the id 'a' is already that of the cell in line 1."),
        ("x = 1\n", "notebooks/source/01_fake.py: there are no cells; each begins with a line such as"),
        ('# %% id="a"\nx = (\n', "notebooks/source/01_fake.py: cell a, line 1: '(' was never closed."),
        ('# %% [markdown] id="a"\n# {{formula:camm}}\n', "cell a: There is no formula 'camm'; the nearest are cam"),
        ('# %% [markdown] id="a"\n# {{alfa}}\n', "cell a: There is no symbol 'alfa'; the nearest is alpha."),
        ('# %% [markdown] id="a"\n# see {{formula:cam}}\n', "cell a: There is no symbol 'formula:cam'"),
        ('# %% id="a"\nclaim(name, 1, 1)\n', 'cell a: a claim begins with its name: claim("cam-sum", ...).'),
        ('# %% id="a"\nclaim()\n', "cell a: a claim begins with its name"),
        (
            '# %% id="a"\nclaim("x", 1, 1)\n\n# %% id="b"\nclaim("x", 1, 1)\n',
            "cell b: the claim 'x' stands in cell a already.",
        ),
    ],
)
def test_a_mistake_in_a_source_gets_a_sentence_with_its_place(tmp_path, text, sentence):
    with pytest.raises(LessonError) as error:
        read_lesson("01_fake", write(tmp_path, text))
    assert sentence in str(error.value) and "\n" not in str(error.value)


def test_a_formula_stands_at_its_anchor_with_its_kind():
    assert insert("so\n{{formula:cam}}\nand", FORMULAS, SYMBOLS) == (
        'so\n<a id="formula-cam"></a>$$M_c = \\sum_k w_k A^k \\tag{definition}$$\nand'
    )


def test_a_symbol_gets_dollars_only_where_it_has_none_yet():
    assert insert("{{A}} by {{w_ij}}", FORMULAS, SYMBOLS) == "$A^k$ by $w_{ij}$"
    assert insert("with $2 {{A}} + {{A}}$ and {{A}}", FORMULAS, SYMBOLS) == "with $2 A^k + A^k$ and $A^k$"
    assert insert("$$\n{{A}}\n$$ of {{A}}", FORMULAS, SYMBOLS) == "$$\nA^k\n$$ of $A^k$"
    assert insert("costs $5, {{A}}", FORMULAS, SYMBOLS) == "costs $5, $A^k$"


def test_formulas_without_braces_stay_as_they_are():
    text = r"$\frac{1}{Z}$ and $$x^{{2}}$$"
    with pytest.raises(LookupError, match="There is no symbol '2'"):
        insert(text, FORMULAS, SYMBOLS)
    assert insert(r"$\frac{1}{Z}$ and $${ {2} }$$", FORMULAS, SYMBOLS) == r"$\frac{1}{Z}$ and $${ {2} }$$"


def test_code_keeps_its_double_braces(tmp_path):
    text = '# %% id="a"\nprint(f"{{{1}}}")\n'
    assert read_lesson("01_fake", write(tmp_path, text)).notebook.cells[0].source == 'print(f"{{{1}}}")'


def test_claims_are_found_with_their_cells_in_order_also_as_f_strings(tmp_path):
    text = """# %% id="a"
%matplotlib inline
claim("first", 1, 1)
for i in range(2):
    claims.claim(f"cell-{i}", i, i)

# %% [markdown] id="b"
# claim("prose", 1, 1)

# %% id="c"
claim("a+b", 1, 1)
"""
    found = read_lesson("01_fake", write(tmp_path, text)).claims
    assert [(claim.cell, claim.name) for claim in found] == [("a", "first"), ("a", "cell-*"), ("c", "a+b")]
    assert found[1].pattern == r"cell\-.+" and found[2].pattern == r"a\+b"


def test_lessons_are_chosen_by_name_file_or_number(tmp_path):
    for name in ("00_start", "02_cam", "notes"):
        write(tmp_path, "", name)
    assert select([], tmp_path) == ["00_start", "02_cam"]
    for name in ("02_cam", "2", "02", "notebooks/source/02_cam.py", "notebooks/02_cam.ipynb"):
        assert select([name], tmp_path) == ["02_cam"]
    with pytest.raises(LookupError, match="^There is no lesson '02_cap'; the nearest is 02_cam.$"):
        select(["00_start", "02_cap"], tmp_path)
    with pytest.raises(LookupError, match="^There is no lesson '7'; there are 00_start, 02_cam.$"):
        select(["7"], tmp_path)
    with pytest.raises(LookupError, match="There are no lessons"):
        select([], tmp_path / "empty")


def test_the_nearest_names_come_first():
    assert nearest("cam-som", ["cam", "cam-sum", "gap"]) == "the nearest are cam-sum, cam"
    assert nearest("zzz", ["cam", "gap"]) == "there are cam, gap"
