// Reads pages that are to be well-formed XML, strictly.
#pragma once

#include <cctype>
#include <cstddef>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace adaround::testing {

struct HtmlElement {
  std::string tag;
  std::map<std::string, std::string> attributes;
  std::string text;  // between its own tags, not its children's
  std::vector<std::unique_ptr<HtmlElement>> children;
  HtmlElement* parent = nullptr;

  std::string Attribute(const std::string& name) const {
    const auto found = attributes.find(name);
    return found == attributes.end() ? "" : found->second;
  }
  bool HasClass(const std::string& name) const {
    return (" " + Attribute("class") + " ").find(" " + name + " ") != std::string::npos;
  }
  // Its own and its descendants'.
  std::string AllText() const {
    std::string all = text;
    for (const auto& child : children) all += child->AllText();
    return all;
  }
  // Descendants in the document's order.
  std::vector<const HtmlElement*> Find(const std::string& wanted) const {
    std::vector<const HtmlElement*> found;
    for (const auto& child : children) {
      if (child->tag == wanted) found.push_back(child.get());
      for (const HtmlElement* below : child->Find(wanted)) found.push_back(below);
    }
    return found;
  }
  std::vector<const HtmlElement*> FindClass(const std::string& name) const {
    std::vector<const HtmlElement*> found;
    for (const auto& child : children) {
      if (child->HasClass(name)) found.push_back(child.get());
      for (const HtmlElement* below : child->FindClass(name)) found.push_back(below);
    }
    return found;
  }
};

// Throws std::runtime_error at the first thing that is not as XML wants it: an unescaped "&" or
// "<", a tag that is not closed or closed in another order, an attribute without quotes or given
// twice, a control character, an entity other than XML's five.
class HtmlReader {
 public:
  explicit HtmlReader(const std::string& page) : page_(page) {}

  // The document's element, whose children are <head> and <body>.
  std::unique_ptr<HtmlElement> Read() {
    Expect("<!DOCTYPE html>\n");
    auto root = std::make_unique<HtmlElement>();
    Expect("<");
    ReadElement(*root);
    if (page_.substr(at_) != "\n") Fail("text behind the document");
    return root;
  }

 private:
  [[noreturn]] void Fail(const std::string& what) const {
    const std::string near = page_.substr(at_ > 40 ? at_ - 40 : 0, 80);
    throw std::runtime_error(what + " at byte " + std::to_string(at_) + ": ..." + near + "...");
  }
  char Peek() const {
    if (at_ >= page_.size()) Fail("the page ends");
    return page_[at_];
  }
  bool Starts(std::string_view text) const { return page_.compare(at_, text.size(), text) == 0; }
  void Expect(std::string_view text) {
    if (!Starts(text)) Fail("expected '" + std::string(text) + "'");
    at_ += text.size();
  }
  std::string Name() {
    const size_t begin = at_;
    while (std::isalnum(static_cast<unsigned char>(Peek())) || Peek() == '-') ++at_;
    if (at_ == begin) Fail("expected a name");
    return page_.substr(begin, at_ - begin);
  }
  void Character(std::string& out) {
    const auto c = static_cast<unsigned char>(Peek());
    if ((c < 0x20 && c != '\n') || c == 0x7F) Fail("a control character");
    if (c == '<') Fail("'<' is not escaped");
    ++at_;
    if (c != '&') {
      out += static_cast<char>(c);
      return;
    }
    const size_t end = page_.find(';', at_);
    if (end == std::string::npos || end - at_ > 8) Fail("'&' is not escaped");
    const std::string entity = page_.substr(at_, end - at_);
    at_ = end + 1;
    const std::map<std::string, char> known = {
        {"amp", '&'}, {"lt", '<'}, {"gt", '>'}, {"quot", '"'}, {"#39", '\''}};
    if (known.count(entity) == 0) Fail("unknown entity " + entity);
    out += known.at(entity);
  }
  // Behind "<".
  void ReadElement(HtmlElement& element) {
    element.tag = Name();
    while (Peek() == ' ') {
      ++at_;
      const std::string name = Name();
      Expect("=\"");
      std::string value;
      while (Peek() != '"') Character(value);
      ++at_;
      if (!element.attributes.emplace(name, value).second) Fail("attribute twice: " + name);
    }
    if (Starts("/>")) {
      at_ += 2;
      return;
    }
    Expect(">");
    while (true) {
      if (Starts("</")) {
        at_ += 2;
        const std::string closed = Name();
        if (closed != element.tag) Fail("</" + closed + "> closes <" + element.tag + ">");
        Expect(">");
        return;
      }
      if (Peek() == '<') {
        ++at_;
        element.children.push_back(std::make_unique<HtmlElement>());
        element.children.back()->parent = &element;
        ReadElement(*element.children.back());
      } else {
        Character(element.text);
      }
    }
  }

  std::string page_;
  size_t at_ = 0;
};

}  // namespace adaround::testing
