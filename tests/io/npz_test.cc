#include "io/npz.h"

#include "io/test_files.h"

namespace adaround {
namespace {

using testing::ExpectError;
using testing::LittleEndian;
using testing::NpyBytes;
using testing::ReadDamaged;
using testing::ScratchFolder;
using testing::WriteBytes;

uint32_t Crc32(const std::string& bytes) {
  uint32_t crc = 0xFFFFFFFF;
  for (const char c : bytes) {
    crc ^= static_cast<uint8_t>(c);
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320 : 0);
  }
  return ~crc;
}

// One entry of a hand-made archive; the fields can be made to lie.
struct ZipEntry {
  std::string name;
  std::string data;   // as stored, compressed where method is 8
  uint64_t size = 0;  // declared inflated size
  uint32_t crc = 0;
  int method = 0;
  int flags = 0;
};

ZipEntry Stored(const std::string& name, const std::string& data) {
  return {name, data, data.size(), Crc32(data), 0, 0};
}

// Deflated as one block that is stored within the deflate stream.
ZipEntry Deflated(const std::string& name, const std::string& data) {
  const std::string block =
      "\x01" + LittleEndian(data.size(), 2) + LittleEndian(~data.size() & 0xFFFF, 2) + data;
  return {name, block, data.size(), Crc32(data), 8, 0};
}

std::string ZipBytes(const std::vector<ZipEntry>& entries) {
  std::string files;
  std::string directory;
  for (const ZipEntry& entry : entries) {
    const std::string common =
        LittleEndian(20, 2) + LittleEndian(entry.flags, 2) + LittleEndian(entry.method, 2) +
        LittleEndian(0, 4) + LittleEndian(entry.crc, 4) + LittleEndian(entry.data.size(), 4) +
        LittleEndian(entry.size, 4) + LittleEndian(entry.name.size(), 2) + LittleEndian(0, 2);
    directory += "PK\x01\x02" + LittleEndian(20, 2) + common + LittleEndian(0, 10) +
                 LittleEndian(files.size(), 4) + entry.name;
    files += "PK\x03\x04" + common + entry.name + entry.data;
  }
  return files + directory + "PK\x05\x06" + LittleEndian(0, 4) + LittleEndian(entries.size(), 2) +
         LittleEndian(entries.size(), 2) + LittleEndian(directory.size(), 4) +
         LittleEndian(files.size(), 4) + LittleEndian(0, 2);
}

const std::string kArray =
    NpyBytes("{'descr': '|u1', 'fortran_order': False, 'shape': (3,), }", "abc");

void ReadAll(const std::filesystem::path& path) {
  const NpzFile file(path);
  for (const auto& [name, header] : file.entries()) file.Read(name);
}

void ExpectRefused(const std::string& bytes, const std::vector<std::string>& fragments,
                   ErrorCode code = ErrorCode::kMalformed) {
  const ScratchFolder folder;
  WriteBytes(folder / "a.npz", bytes);
  ExpectError(code, fragments, [&] { ReadAll(folder / "a.npz"); });
}

TEST(Npz, ReadsStoredAndDeflatedEntries) {
  const ScratchFolder folder;
  const NpzFile file(WriteBytes(
      folder / "a.npz", ZipBytes({Stored("/layer/x.npy", kArray), Deflated("../y.npy", kArray),
                                  Stored("readme.txt", "hello")})));
  ASSERT_EQ(file.entries().size(), 2u);
  for (const char* name : {"/layer/x", "../y"}) {
    EXPECT_EQ(ToInt64Vector(file.Read(name)), (std::vector<int64_t>{'a', 'b', 'c'})) << name;
  }
}

TEST(Npz, NoDamageCrashesAndEveryPrefixIsRefused) {
  const ScratchFolder folder;
  const std::string bytes = ZipBytes({Stored("x.npy", kArray), Deflated("y.npy", kArray)});
  EXPECT_EQ(ReadDamaged(folder / "a.npz", bytes, bytes.size(), [&] { ReadAll(folder / "a.npz"); }),
            0);
}

TEST(Npz, RefusesOtherFiles) {
  ExpectRefused(kArray, {"no zip archive (.npz): it looks like a NumPy array"});
  ExpectRefused("PK\x03\x04 and then nothing", {"no end record"});
  ExpectRefused(ZipBytes({}), {"no .npy arrays"});
  ExpectRefused(ZipBytes({Stored("data.pkl", "x")}), {"no .npy arrays"});
}

TEST(Npz, RefusesDuplicateNames) {
  ExpectRefused(ZipBytes({Stored("x.npy", kArray), Stored("x.npy", kArray)}),
                {"entry 'x.npy'", "appears twice"});
}

TEST(Npz, ReportsAWrongChecksum) {
  for (ZipEntry entry : {Stored("x.npy", kArray), Deflated("x.npy", kArray)}) {
    entry.crc ^= 1;
    ExpectRefused(ZipBytes({entry}), {"entry 'x.npy'", "CRC"});
  }
}

TEST(Npz, RefusesSizesThatCannotBe) {
  ZipEntry bomb = Deflated("x.npy", kArray);
  bomb.size = 0xF0000000;
  ExpectRefused(ZipBytes({bomb}), {"declares 4026531840 bytes", "cannot be"});
  ZipEntry stored = Stored("x.npy", kArray);
  stored.size += 1;
  ExpectRefused(ZipBytes({stored}), {"which cannot be"});
}

TEST(Npz, RefusesAnArrayThatDisagreesWithItsEntry) {
  ZipEntry longer = Deflated("x.npy", kArray + "trailing");
  ExpectRefused(ZipBytes({longer}), {"takes 3 bytes, found 11"});
  longer.size = kArray.size();  // the directory agrees with the array, the data goes on
  ExpectRefused(ZipBytes({longer}), {"entry 'x.npy'"});
  ZipEntry shorter = Deflated("x.npy", kArray.substr(0, kArray.size() - 1));
  shorter.size = kArray.size();
  ExpectRefused(ZipBytes({shorter}), {"entry 'x.npy'"});
}

// A directory may name one entry's bytes again and again: a megabyte could inflate to a terabyte.
TEST(Npz, RefusesEntriesThatShareBytes) {
  const std::string array =
      NpyBytes("{'descr': '|u1', 'fortran_order': False, 'shape': (1000,), }", std::string(1000, 'a'));
  const std::string one = ZipBytes({Stored("0.npy", array)});
  const size_t directory = one.find("PK\x01\x02");
  const size_t end = one.find("PK\x05\x06");
  std::string records;
  for (char name = '0'; name < '3'; ++name) {
    std::string record = one.substr(directory, end - directory);
    record[record.size() - 5] = name;
    records += record;
  }
  ExpectRefused(one.substr(0, directory) + records + "PK\x05\x06" + LittleEndian(0, 4) +
                    LittleEndian(3, 2) + LittleEndian(3, 2) + LittleEndian(records.size(), 4) +
                    LittleEndian(directory, 4) + LittleEndian(0, 2),
                {"entry '1.npy'", "shares its bytes"});
}

TEST(Npz, RefusesEncryptionAndOtherMethods) {
  ZipEntry encrypted = Stored("x.npy", kArray);
  encrypted.flags = 1;
  ExpectRefused(ZipBytes({encrypted}), {"is encrypted"}, ErrorCode::kUnsupported);
  ZipEntry bzip2 = Stored("x.npy", kArray);
  bzip2.method = 12;
  ExpectRefused(ZipBytes({bzip2}), {"compression method 12"}, ErrorCode::kUnsupported);
}

TEST(Npz, RefusesAGiganticEntryCountBeforeAllocating) {
  const std::string sound = ZipBytes({Stored("x.npy", kArray)});
  const std::string end = sound.substr(sound.size() - 22);
  const std::string body = sound.substr(0, sound.size() - 22);
  const std::string record =
      "PK\x06\x06" + LittleEndian(44, 8) + LittleEndian(45, 2) + LittleEndian(45, 2) +
      LittleEndian(0, 8) + LittleEndian(uint64_t{1} << 58, 8) + LittleEndian(uint64_t{1} << 58, 8) +
      LittleEndian(51, 8) + LittleEndian(0, 8);
  const std::string locator =
      "PK\x06\x07" + LittleEndian(0, 4) + LittleEndian(body.size(), 8) + LittleEndian(1, 4);
  ExpectRefused(body + record + locator + end, {"declares 288230376151711744 entries"});
}

}  // namespace
}  // namespace adaround
