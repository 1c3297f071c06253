#!/usr/bin/env bats
# The recipes of README.md, chapter "In scripts", run as they are printed there: in one shell, in their order. What a
# recipe writes is what stands below it, but for peer IDs and figures. test/recipes.test.ts puts p2pctl on the PATH.

setup_file() {
  cd "$BATS_FILE_TMPDIR"
  # a file for each block: 1.name, 1.sh, 1.text
  awk '
    /^## / { chapter = $0 == "## In scripts" }
    !chapter { next }
    /^### / { n++; print substr($0, 5) > (n ".name") }
    /^```/ { kind = substr($0, 4); if (kind) printf "" > (n "." kind); next }
    kind { print > (n "." kind) }
  ' "$BATS_TEST_DIRNAME/../README.md"
  for recipe in *.sh; do
    echo ". ./$recipe > ${recipe%.sh}.out 2> ${recipe%.sh}.err; echo \$? > ${recipe%.sh}.code"
  done > all
  # bats waits for whoever holds its own descriptor 3
  timeout 90 sh -u all 3>&-
}

# where a recipe failed, its peer may be left
teardown_file() {
  cd "$BATS_FILE_TMPDIR"
  [ ! -e ready.json ] || kill "$(jq .pid ready.json)"
}

# the recipe of this name has ended well, and has written what stands below it
as_printed() {
  local name
  name=$(grep -lFx -- "$BATS_TEST_DESCRIPTION" "$BATS_FILE_TMPDIR"/*.name)
  local recipe=${name%.name}
  cat "$recipe.err"
  [ "$(cat "$recipe.code")" = 0 ]
  diff <(alike < "$recipe.text") <(alike < "$recipe.out")
}

alike() {
  sed -E -e 's/12D3KooW[A-Za-z0-9.]+/PEER/g' -e 's/\b[0-9]+(\.[0-9]+)*/N/g'
}

@test "A peer in the background" {
  as_printed
}

@test "An assertion in one line" {
  as_printed
}

@test "NDJSON with jq" {
  as_printed
}

@test "A list of addresses" {
  as_printed
}

@test "What the exit code says" {
  as_printed
}

@test "The end of the peer" {
  as_printed
}

@test "every recipe has a test" {
  diff <(cat "$BATS_FILE_TMPDIR"/*.name | sort) <(sed -n 's/^@test "\([A-Z].*\)" {$/\1/p' "$BATS_TEST_FILENAME" | sort)
}
