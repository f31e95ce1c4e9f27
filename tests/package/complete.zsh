# complete.zsh SCRIPT LINE PATTERN: types LINE and a tab into a zsh that has read the completions in
# SCRIPT, and waits for PATTERN on its terminal.
zmodload zsh/zpty
zpty terminal zsh -f -i
zpty -w terminal "autoload -U compinit; compinit -u -d ./dump; source ${(q)1}; print REA''DY"
zpty -r -m terminal output '*READY*'
zpty -w -n terminal "$2"$'\t'
zpty -r -m terminal output "*$3*"
zpty -d terminal
