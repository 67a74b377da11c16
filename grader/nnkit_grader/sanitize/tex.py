r"""TeX in learners' text: macros on a list of allowed ones stay, others lose their backslash.

MathJax's other macros make links (`\href`), styles and ids, reach outside their box (`\rlap`, `\smash`, `\rule`), or
define new macros.
"""

from __future__ import annotations

import re

_NAMES = """
alpha beta gamma delta epsilon varepsilon zeta eta theta vartheta iota kappa varkappa lambda mu nu xi omicron pi
varpi rho varrho sigma varsigma tau upsilon phi varphi chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Upsilon
Phi Psi Omega digamma aleph beth hbar ell wp Re Im partial nabla infty imath jmath emptyset varnothing forall exists
nexists neg lnot top bot angle triangle prime backprime surd flat natural sharp
pm mp times div cdot ast star circ bullet oplus ominus otimes oslash odot dagger ddagger amalg cap cup uplus sqcap
sqcup vee lor wedge land setminus smallsetminus wr diamond bigtriangleup bigtriangledown triangleleft triangleright
sum prod coprod int iint iiint oint bigcap bigcup bigsqcup bigvee bigwedge bigodot bigotimes bigoplus biguplus
leq le geq ge neq ne equiv approx sim simeq cong propto ll gg prec succ preceq succeq subset supset subseteq
supseteq subsetneq supsetneq sqsubseteq sqsupseteq in ni notin mid nmid parallel perp vdash dashv models doteq
asymp bowtie coloneqq triangleq lesssim gtrsim leqslant geqslant ll lll ggg not owns
to gets mapsto longmapsto leftarrow rightarrow leftrightarrow longleftarrow longrightarrow longleftrightarrow
Leftarrow Rightarrow Leftrightarrow Longleftarrow Longrightarrow Longleftrightarrow uparrow downarrow updownarrow
Uparrow Downarrow Updownarrow nearrow searrow swarrow nwarrow hookleftarrow hookrightarrow iff implies impliedby
rightharpoonup rightharpoondown leftharpoonup leftharpoondown rightleftharpoons xrightarrow xleftarrow leadsto
rightsquigarrow
sin cos tan cot sec csc arcsin arccos arctan sinh cosh tanh coth exp log ln lg det dim ker hom arg deg gcd min max
inf sup lim liminf limsup Pr injlim projlim operatorname mod bmod pmod pod argmin argmax
frac dfrac tfrac cfrac binom dbinom tbinom sqrt root over atop choose overline underline overbrace underbrace
overset underset stackrel overrightarrow overleftarrow widehat widetilde hat check breve acute grave tilde bar vec
dot ddot dddot mathring boxed cancel substack sideset
left right middle big Big bigg Bigg bigl bigr bigm Bigl Bigr Bigm biggl biggr Biggl Biggr langle rangle lfloor
rfloor lceil rceil lvert rvert lVert rVert vert Vert lbrace rbrace lbrack rbrack backslash
mathrm mathbf mathit mathsf mathtt mathcal mathscr mathbb mathfrak boldsymbol pmb bf rm it sf tt cal text textrm
textbf textit textsf texttt mbox displaystyle textstyle scriptstyle scriptscriptstyle limits nolimits
dots ldots cdots vdots ddots dotsb dotsc dotsi dotsm dotso colon quad qquad thinspace space begin end hline tag
notag nonumber label ref eqref color textcolor cr intercal top checkmark square blacksquare Box Diamond clubsuit
diamondsuit heartsuit spadesuit S P
"""
ALLOWED_MACROS = frozenset(_NAMES.split())
_MACRO = re.compile(r"\\(?:([A-Za-z]++)|.|$)", re.DOTALL)
_ROW_SPACING = re.compile(r"(?<!\\)((?:\\\\)++)(?=\s*+\[)")
r"""Ends of rows before a bracket: TeX reads `\\[99em]` as space between two rows."""
_CODE = re.compile(r"(<(pre|code)\b.*?</\2>)", re.DOTALL)


def limit_macros(text: str) -> str:
    r"""Take the backslash from each macro that is not allowed, and the space from `\\[99em]`."""
    return _ROW_SPACING.sub(r"\1{}", _MACRO.sub(_limit_macro, text)) if "\\" in text else text


def limit_macros_in_html(html: str) -> str:
    """Return clean HTML with allowed macros only; code, which MathJax leaves alone, stays as it is."""
    if "\\" not in html:
        return html
    pieces = _CODE.split(html)  # text, code, its tag, text, …
    return "".join(piece if at % 3 else limit_macros(piece) for at, piece in enumerate(pieces) if at % 3 != 2)


def _limit_macro(found: re.Match[str]) -> str:
    name = found[1]
    return name if name and name not in ALLOWED_MACROS else found[0]
