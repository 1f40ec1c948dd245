#include "admin/page.hpp"

#include <string_view>

#include "admin/page_script.hpp"
#include "admin/page_style.hpp"

namespace knul::admin {
namespace {

constexpr std::string_view kBeforeStyle = R"html(<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1">
<title>Krepis KNUL</title>
<link rel="icon" href="data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 8 8'%3E
%3Crect width='8' height='8' rx='2' fill='%230a6ebd'/%3E
%3Cpath d='M2.5 1.8v4.4M5.8 1.8 3 4l2.8 2.2' stroke='%23fff' fill='none'/%3E%3C/svg%3E">
<style>)html";

constexpr std::string_view kBeforeScript = R"html(</style>
</head>
<body>
<header><h1>Krepis KNUL</h1><span id="state" class="state soft">connecting</span>
<span id="about" class="soft"></span></header>
<main>
<div id="notices" role="status"></div>
<section class="grid" id="charts" aria-label="Charts of the last two minutes"></section>
<section class="grid" id="panels">
<div class="card"><h2>Refused, dropped and failed</h2>
<div class="wide" tabindex="0" role="region" aria-label="Refused, dropped and failed">
<table id="losses"></table></div></div>
<div class="card"><h2>What limits sending <span class="soft" id="limit_time"></span></h2>
<div id="limits"></div></div>
<div class="card"><h2>Server</h2><dl id="facts"></dl></div>
</section>
<section class="card">
<div class="bar"><h2>Connections <span id="count" class="soft"></span></h2>
<input id="peer" type="search" placeholder="Address begins with" aria-label="Address begins with">
<button id="first" disabled>First page</button><button id="more" disabled>Next page</button></div>
<div class="wide rows" tabindex="0" role="region" aria-label="Connections"><table id="rows"></table></div>
<div id="details" hidden><h2 id="details_of"></h2><dl></dl></div>
</section>
</main>
<script>)html";

constexpr std::string_view kAfterScript = R"html(</script>
</body>
</html>
)html";

}  // namespace

std::string page_html() {
  std::string page;
  page.reserve(kBeforeStyle.size() + kPageStyle.size() + kBeforeScript.size() + kPageScript.size() +
               kAfterScript.size());
  for (const std::string_view part : {kBeforeStyle, kPageStyle, kBeforeScript, kPageScript, kAfterScript}) {
    page += part;
  }
  return page;
}

}  // namespace knul::admin
