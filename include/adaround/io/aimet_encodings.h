// AIMET's encodings files: grids by tensor name, for toolchains that take a float ONNX model and
// quantize it themselves.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "adaround/model/quantized_model.h"

namespace adaround {

// "0.6.1", "1.0.0", "2.0.0".
std::vector<std::string> AimetEncodingVersions();

// Writes the grids of weights, biases (int32) and activations. The model to give along with the
// file is WriteOnnx(model.Dequantized()): its weights lie on the grids, so that rounding them to
// nearest gives the integers back.
//
// Of a grid with scale s and zero point z, versions 0.6.1 and 1.0.0 hold the offset o <= 0 of
// unsigned integers, real = s * (u + o): o = -z on unsigned grids, -2^(bit_width - 1) - z on signed
// ones. Version 2.0.0 holds z, as QuantizeLinear has it, and knows integers of 2, 4, 8 and 32 bits
// only: weights of other widths are named by the next wider one, whose steps are the same and
// whose ends the integers do not reach. The same model gives the same bytes. The file appears whole
// or not at all.
//
// Throws Error(kIo); Error(kInvalidArgument) for another version or a model that is not sound;
// Error(kUnsupported), naming the tensor, for grids that the version cannot express: groups in
// 0.6.1, or where they do not divide a row into blocks of whole input channels; groups along
// another axis than 1 in 1.0.0; one scale per output channel of a grouped ConvTranspose (but for
// depthwise ones in 2.0.0); fewer than 4 bits in 0.6.1; activations of other widths than the types
// of 2.0.0, which would be clipped elsewhere.
void WriteAimetEncodings(const std::filesystem::path& path, const QuantizedModel& model,
                         const std::string& version);

}  // namespace adaround
