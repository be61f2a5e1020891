"""Words that say nothing about what somebody searches for, in French and English, as `fold_text`
writes them.
"""

_WORDS = """
a ai ainsi alors an and any are as at au aux avec avez avoir be been but by c ca can car ce ceci
cela ces cet cette ceux chez comme comment d dans de des did do does donc du elle elles en
encore est et etait ete etes etre eu fait faire faut for from had has have how i if il ils in is
it its j je l la le les leur leurs lui m ma mais me mes mien moi mon my n ne ni no nos not notre
nous on ont or ou our par pas peut peux plus pour pourquoi qu quand que quel quelle quelles
quels qui quoi s sa sans se ses si so son sont suis sur t ta te tes that the their them there
these they this to toi ton tout toute toutes tous tres tu un une us vos votre vous was we were
what when where which who why will with would y you your bonjour bonsoir merci hello thanks
please svp cordialement
"""

STOP_WORDS = frozenset(_WORDS.split())
