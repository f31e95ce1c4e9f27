// Results that appear whole or not at all, whatever stops the program.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>

namespace adaround {

// Writes a file beside `path`, syncs it to disk and renames it over `path`. A device or pipe
// (/dev/stdout) is written straight to; through a symbolic link the file it names is replaced.
// Throws Error(kIo), naming file, reason and remedy; `path` is then as it was.
void WriteFileAtomically(const std::filesystem::path& path, std::string_view bytes);

// What an output folder holds, and what may be found of it.
struct OutputKind {
  // The file by which a finished folder is known to be one of ours.
  std::string finished_file = "model.json";
  // A path in partial() to the journal that a stopped run leaves behind for the next one, alone or
  // in a folder with what belongs to it; "" = none.
  std::string journal;
  // Whether to go on from a journal that is there.
  bool resume = false;
};

// A result folder under construction.
//
// Files are written into contents(), a folder in partial(), which is OUT.partial beside OUT;
// Commit() renames contents() to OUT and removes partial(). Without Commit() the destructor removes
// partial(), and OUT is as it was. One run at a time builds an OUT: a lock in partial() tells a
// second run; what a killed run left there is removed. A journal outlives the destructor, and a
// killed run, once it is not empty.
class OutputDirectory {
 public:
  // Throws Error(kInvalidArgument): OUT exists and `force` is false; or it exists and is neither an
  //   empty folder nor one with the kind's finished_file, which is never replaced; or OUT names no
  //   folder that could be made ("", "/", ".."); or a journal is there, and neither kind.resume nor
  //   `force`, which drops it, says what to do with it.
  // Throws Error(kIo): its parent folder is missing or cannot be written, or another run builds it.
  OutputDirectory(const std::filesystem::path& out, bool force, OutputKind kind = {});
  OutputDirectory(const OutputDirectory&) = delete;
  OutputDirectory& operator=(const OutputDirectory&) = delete;
  ~OutputDirectory();

  const std::filesystem::path& partial() const { return partial_; }
  const std::filesystem::path& contents() const { return contents_; }
  // REQUIRES: the kind has a journal.
  std::filesystem::path journal() const { return partial_ / kind_.journal; }
  // Whether a journal that is not empty is there.
  bool HoldsJournal() const;
  // Removes the journal, or the folder in partial() that holds it, in one step where that can be
  // done at all: all of it is there, or no journal.
  void DropJournal() const;

  // Syncs everything to disk and puts it at OUT; with force, exchanges the two folders in one step
  // where the file system can, and removes the old one.
  // Throws Error(kIo | kInvalidArgument: OUT came to exist meanwhile); OUT is then as it was.
  void Commit();

 private:
  void CheckTarget() const;
  void ClaimPartial();
  bool RestoreReplaced() const;
  void MoveIntoPlace();
  // Everything in partial_ but the marker and, where `keep_journal`, what the journal lies in.
  void Clear(bool keep_journal, std::error_code& error) const;
  void RemovePartial() const;

  std::filesystem::path out_;
  std::filesystem::path partial_;
  std::filesystem::path contents_;
  bool force_;
  OutputKind kind_;
  int lock_ = -1;  // descriptor of the marker file in partial_
};

}  // namespace adaround
