# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_augraft_global_optspecs
    string join \n h/help V/version
end

function __fish_augraft_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_augraft_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_augraft_using_subcommand
    set -l cmd (__fish_augraft_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c augraft -n "__fish_augraft_needs_command" -s h -l help -d 'Print help'
complete -c augraft -n "__fish_augraft_needs_command" -s V -l version -d 'Print version'
complete -c augraft -n "__fish_augraft_needs_command" -f -a "run" -d 'Run a pipeline over its data and write images, batches, labels, draws, predictions and a preview'
complete -c augraft -n "__fish_augraft_needs_command" -f -a "explain" -d 'Print the plan of a pipeline: every step with its shapes and draws'
complete -c augraft -n "__fish_augraft_needs_command" -f -a "operators" -d 'List the operators, or print the page of one'
complete -c augraft -n "__fish_augraft_needs_command" -f -a "sites" -d 'List the tensors of an ONNX model at which steps can act'
complete -c augraft -n "__fish_augraft_needs_command" -f -a "engines" -d 'Show which engines and devices work on this machine, and why the others do not'
complete -c augraft -n "__fish_augraft_needs_command" -f -a "export" -d 'Write the input steps of a pipeline as an ONNX file'
complete -c augraft -n "__fish_augraft_needs_command" -f -a "graft" -d 'Write a model with the input steps of a pipeline and its steps at tensors of the model inside, as one ONNX file'
complete -c augraft -n "__fish_augraft_needs_command" -f -a "verify" -d 'Compare a file of `export` or `graft` with the native steps, on every engine: draws, what each step leaves, outputs'
complete -c augraft -n "__fish_augraft_needs_command" -f -a "doctor" -d 'Say what is wrong with a model, and where steps can act: batch, engines, drift at every site'
complete -c augraft -n "__fish_augraft_needs_command" -f -a "split" -d 'Write the parts of a model that is cut at tensors, as ONNX files that run one after the other'
complete -c augraft -n "__fish_augraft_needs_command" -f -a "tensors" -d 'Write tensors of a model for the data of a pipeline, behind its input steps, to an .npz file'
complete -c augraft -n "__fish_augraft_needs_command" -f -a "snapshot" -d 'Write what a pipeline draws and computes on its first batch to PIPELINE.snap, or compare with it'
complete -c augraft -n "__fish_augraft_needs_command" -f -a "experiment" -d 'Run the experiment of a file: interventions at the input and inside of a model, measured and reported'
complete -c augraft -n "__fish_augraft_needs_command" -f -a "compare" -d 'Put several runs of one experiment side by side'
complete -c augraft -n "__fish_augraft_needs_command" -f -a "schema" -d 'Print the JSON schema of pipeline files'
complete -c augraft -n "__fish_augraft_needs_command" -f -a "new-plugin" -d 'Write a crate of operators of your own, and a program that links it'
complete -c augraft -n "__fish_augraft_needs_command" -f -a "completions" -d 'Print what a shell needs to complete this program\'s commands'
complete -c augraft -n "__fish_augraft_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c augraft -n "__fish_augraft_using_subcommand run" -l seed -d 'Seed of every draw' -r
complete -c augraft -n "__fish_augraft_using_subcommand run" -l epoch -d 'Epoch: draws and order differ from epoch to epoch' -r
complete -c augraft -n "__fish_augraft_using_subcommand run" -l batch -d 'Samples in a batch' -r
complete -c augraft -n "__fish_augraft_using_subcommand run" -l limit -d 'Use only this many samples' -r
complete -c augraft -n "__fish_augraft_using_subcommand run" -l engine -d 'Engine that runs the model: tract or onnxruntime' -r
complete -c augraft -n "__fish_augraft_using_subcommand run" -l device -d 'Device: cpu, or cuda:N with onnxruntime' -r
complete -c augraft -n "__fish_augraft_using_subcommand run" -l onnxruntime -d 'ONNX Runtime\'s library [default: `ORT_DYLIB_PATH`, then the one that `cargo xtask onnxruntime` fetched]' -r -F
complete -c augraft -n "__fish_augraft_using_subcommand run" -l out -d 'Folder to write to' -r -F
complete -c augraft -n "__fish_augraft_using_subcommand run" -l threads -d 'Threads to use [default: all cores]; the results do not depend on it' -r
complete -c augraft -n "__fish_augraft_using_subcommand run" -s h -l help -d 'Print help'
complete -c augraft -n "__fish_augraft_using_subcommand explain" -l seed -d 'Seed of every draw' -r
complete -c augraft -n "__fish_augraft_using_subcommand explain" -l epoch -d 'Epoch: draws and order differ from epoch to epoch' -r
complete -c augraft -n "__fish_augraft_using_subcommand explain" -l batch -d 'Samples in a batch' -r
complete -c augraft -n "__fish_augraft_using_subcommand explain" -l limit -d 'Use only this many samples' -r
complete -c augraft -n "__fish_augraft_using_subcommand explain" -l engine -d 'Engine that runs the model: tract or onnxruntime' -r
complete -c augraft -n "__fish_augraft_using_subcommand explain" -l device -d 'Device: cpu, or cuda:N with onnxruntime' -r
complete -c augraft -n "__fish_augraft_using_subcommand explain" -l onnxruntime -d 'ONNX Runtime\'s library [default: `ORT_DYLIB_PATH`, then the one that `cargo xtask onnxruntime` fetched]' -r -F
complete -c augraft -n "__fish_augraft_using_subcommand explain" -l set -d 'Put a value into the file, as for `experiment`' -r
complete -c augraft -n "__fish_augraft_using_subcommand explain" -l memory -d 'Bytes of activations that an experiment may hold at once' -r
complete -c augraft -n "__fish_augraft_using_subcommand explain" -s h -l help -d 'Print help'
complete -c augraft -n "__fish_augraft_using_subcommand operators" -l file -d 'Header of an operator that is an ONNX file, to be listed too; can be given more than once' -r -F
complete -c augraft -n "__fish_augraft_using_subcommand operators" -s h -l help -d 'Print help'
complete -c augraft -n "__fish_augraft_using_subcommand sites" -l size -d 'Height and width of the images, where the model leaves them open [default: 224 224]' -r
complete -c augraft -n "__fish_augraft_using_subcommand sites" -l input -d 'Value of an input beside the images, as JSON; can be given more than once' -r
complete -c augraft -n "__fish_augraft_using_subcommand sites" -l output -d 'Output that is the answer: its name, or its position from 0' -r
complete -c augraft -n "__fish_augraft_using_subcommand sites" -l layout -d 'Order of the axes of the images: nchw or nhwc' -r
complete -c augraft -n "__fish_augraft_using_subcommand sites" -l engine -d 'Engine that runs the model: tract or onnxruntime' -r
complete -c augraft -n "__fish_augraft_using_subcommand sites" -l device -d 'Device: cpu, or cuda:N with onnxruntime' -r
complete -c augraft -n "__fish_augraft_using_subcommand sites" -l onnxruntime -d 'ONNX Runtime\'s library [default: `ORT_DYLIB_PATH`, then the one that `cargo xtask onnxruntime` fetched]' -r -F
complete -c augraft -n "__fish_augraft_using_subcommand sites" -l all -d 'Also list tensors that skip connections lead around, and those on which no step acts'
complete -c augraft -n "__fish_augraft_using_subcommand sites" -s h -l help -d 'Print help'
complete -c augraft -n "__fish_augraft_using_subcommand engines" -l onnxruntime -d 'ONNX Runtime\'s library' -r -F
complete -c augraft -n "__fish_augraft_using_subcommand engines" -s h -l help -d 'Print help'
complete -c augraft -n "__fish_augraft_using_subcommand export" -l seed -d 'Seed of every draw' -r
complete -c augraft -n "__fish_augraft_using_subcommand export" -l epoch -d 'Epoch: draws and order differ from epoch to epoch' -r
complete -c augraft -n "__fish_augraft_using_subcommand export" -l batch -d 'Samples in a batch' -r
complete -c augraft -n "__fish_augraft_using_subcommand export" -l limit -d 'Use only this many samples' -r
complete -c augraft -n "__fish_augraft_using_subcommand export" -l engine -d 'Engine that runs the model: tract or onnxruntime' -r
complete -c augraft -n "__fish_augraft_using_subcommand export" -l device -d 'Device: cpu, or cuda:N with onnxruntime' -r
complete -c augraft -n "__fish_augraft_using_subcommand export" -l onnxruntime -d 'ONNX Runtime\'s library [default: `ORT_DYLIB_PATH`, then the one that `cargo xtask onnxruntime` fetched]' -r -F
complete -c augraft -n "__fish_augraft_using_subcommand export" -s o -l output -d 'File to write' -r -F
complete -c augraft -n "__fish_augraft_using_subcommand export" -l draws -d 'Where draws come from: graph (inputs `seed`, `epoch`, `index`), inputs (one per drawn value), baked (constant draws of one batch)' -r
complete -c augraft -n "__fish_augraft_using_subcommand export" -l size -d 'Height and width of the images, for a pipeline without data [default: open in an export, those of the model in a graft]' -r
complete -c augraft -n "__fish_augraft_using_subcommand export" -l classes -d 'Number of classes, for a pipeline without data' -r
complete -c augraft -n "__fish_augraft_using_subcommand export" -l opset -d 'Version of the standard operators: 18 to 24 with draws in the graph, else 13 to 24' -r
complete -c augraft -n "__fish_augraft_using_subcommand export" -s h -l help -d 'Print help'
complete -c augraft -n "__fish_augraft_using_subcommand graft" -l seed -d 'Seed of every draw' -r
complete -c augraft -n "__fish_augraft_using_subcommand graft" -l epoch -d 'Epoch: draws and order differ from epoch to epoch' -r
complete -c augraft -n "__fish_augraft_using_subcommand graft" -l batch -d 'Samples in a batch' -r
complete -c augraft -n "__fish_augraft_using_subcommand graft" -l limit -d 'Use only this many samples' -r
complete -c augraft -n "__fish_augraft_using_subcommand graft" -l engine -d 'Engine that runs the model: tract or onnxruntime' -r
complete -c augraft -n "__fish_augraft_using_subcommand graft" -l device -d 'Device: cpu, or cuda:N with onnxruntime' -r
complete -c augraft -n "__fish_augraft_using_subcommand graft" -l onnxruntime -d 'ONNX Runtime\'s library [default: `ORT_DYLIB_PATH`, then the one that `cargo xtask onnxruntime` fetched]' -r -F
complete -c augraft -n "__fish_augraft_using_subcommand graft" -s o -l output -d 'File to write' -r -F
complete -c augraft -n "__fish_augraft_using_subcommand graft" -l draws -d 'Where draws come from: graph (inputs `seed`, `epoch`, `index`), inputs (one per drawn value), baked (constant draws of one batch)' -r
complete -c augraft -n "__fish_augraft_using_subcommand graft" -l size -d 'Height and width of the images, for a pipeline without data [default: open in an export, those of the model in a graft]' -r
complete -c augraft -n "__fish_augraft_using_subcommand graft" -l classes -d 'Number of classes, for a pipeline without data' -r
complete -c augraft -n "__fish_augraft_using_subcommand graft" -l model -d 'ONNX file to graft into [default: the model of the pipeline]' -r -F
complete -c augraft -n "__fish_augraft_using_subcommand graft" -s h -l help -d 'Print help'
complete -c augraft -n "__fish_augraft_using_subcommand verify" -l seed -d 'Seed of every draw' -r
complete -c augraft -n "__fish_augraft_using_subcommand verify" -l epoch -d 'Epoch: draws and order differ from epoch to epoch' -r
complete -c augraft -n "__fish_augraft_using_subcommand verify" -l batch -d 'Samples in a batch' -r
complete -c augraft -n "__fish_augraft_using_subcommand verify" -l limit -d 'Use only this many samples' -r
complete -c augraft -n "__fish_augraft_using_subcommand verify" -l engine -d 'Engine that runs the model: tract or onnxruntime' -r
complete -c augraft -n "__fish_augraft_using_subcommand verify" -l device -d 'Device: cpu, or cuda:N with onnxruntime' -r
complete -c augraft -n "__fish_augraft_using_subcommand verify" -l onnxruntime -d 'ONNX Runtime\'s library [default: `ORT_DYLIB_PATH`, then the one that `cargo xtask onnxruntime` fetched]' -r -F
complete -c augraft -n "__fish_augraft_using_subcommand verify" -l batches -d 'Batches to compare' -r
complete -c augraft -n "__fish_augraft_using_subcommand verify" -l model -d 'The model that a file of `graft` was made of [default: the model of the pipeline]' -r -F
complete -c augraft -n "__fish_augraft_using_subcommand verify" -s h -l help -d 'Print help'
complete -c augraft -n "__fish_augraft_using_subcommand doctor" -l size -d 'Height and width of the images, where the model leaves them open [default: 224 224]' -r
complete -c augraft -n "__fish_augraft_using_subcommand doctor" -l input -d 'Value of an input beside the images, as JSON; can be given more than once' -r
complete -c augraft -n "__fish_augraft_using_subcommand doctor" -l output -d 'Output that is the answer: its name, or its position from 0' -r
complete -c augraft -n "__fish_augraft_using_subcommand doctor" -l layout -d 'Order of the axes of the images: nchw or nhwc' -r
complete -c augraft -n "__fish_augraft_using_subcommand doctor" -l fix-batch -d 'Write the model with a free batch to this file' -r -F
complete -c augraft -n "__fish_augraft_using_subcommand doctor" -l onnxruntime -d 'ONNX Runtime\'s library' -r -F
complete -c augraft -n "__fish_augraft_using_subcommand doctor" -s h -l help -d 'Print help'
complete -c augraft -n "__fish_augraft_using_subcommand split" -l size -d 'Height and width of the images, where the model leaves them open [default: 224 224]' -r
complete -c augraft -n "__fish_augraft_using_subcommand split" -l input -d 'Value of an input beside the images, as JSON; can be given more than once' -r
complete -c augraft -n "__fish_augraft_using_subcommand split" -l output -d 'Output that is the answer: its name, or its position from 0' -r
complete -c augraft -n "__fish_augraft_using_subcommand split" -l layout -d 'Order of the axes of the images: nchw or nhwc' -r
complete -c augraft -n "__fish_augraft_using_subcommand split" -l at -d 'Tensor to cut at; can be given more than once' -r
complete -c augraft -n "__fish_augraft_using_subcommand split" -s o -l output-dir -d 'Folder to write `part_0.onnx`, `part_1.onnx`, ... to' -r -F
complete -c augraft -n "__fish_augraft_using_subcommand split" -s h -l help -d 'Print help'
complete -c augraft -n "__fish_augraft_using_subcommand tensors" -l seed -d 'Seed of every draw' -r
complete -c augraft -n "__fish_augraft_using_subcommand tensors" -l epoch -d 'Epoch: draws and order differ from epoch to epoch' -r
complete -c augraft -n "__fish_augraft_using_subcommand tensors" -l batch -d 'Samples in a batch' -r
complete -c augraft -n "__fish_augraft_using_subcommand tensors" -l limit -d 'Use only this many samples' -r
complete -c augraft -n "__fish_augraft_using_subcommand tensors" -l engine -d 'Engine that runs the model: tract or onnxruntime' -r
complete -c augraft -n "__fish_augraft_using_subcommand tensors" -l device -d 'Device: cpu, or cuda:N with onnxruntime' -r
complete -c augraft -n "__fish_augraft_using_subcommand tensors" -l onnxruntime -d 'ONNX Runtime\'s library [default: `ORT_DYLIB_PATH`, then the one that `cargo xtask onnxruntime` fetched]' -r -F
complete -c augraft -n "__fish_augraft_using_subcommand tensors" -l at -d 'Tensor to write; can be given more than once' -r
complete -c augraft -n "__fish_augraft_using_subcommand tensors" -s o -l output -d 'File to write: an array for each tensor, and `index` with the numbers of the samples' -r -F
complete -c augraft -n "__fish_augraft_using_subcommand tensors" -s h -l help -d 'Print help'
complete -c augraft -n "__fish_augraft_using_subcommand snapshot" -l seed -d 'Seed of every draw' -r
complete -c augraft -n "__fish_augraft_using_subcommand snapshot" -l epoch -d 'Epoch: draws and order differ from epoch to epoch' -r
complete -c augraft -n "__fish_augraft_using_subcommand snapshot" -l batch -d 'Samples in a batch' -r
complete -c augraft -n "__fish_augraft_using_subcommand snapshot" -l limit -d 'Use only this many samples' -r
complete -c augraft -n "__fish_augraft_using_subcommand snapshot" -l engine -d 'Engine that runs the model: tract or onnxruntime' -r
complete -c augraft -n "__fish_augraft_using_subcommand snapshot" -l device -d 'Device: cpu, or cuda:N with onnxruntime' -r
complete -c augraft -n "__fish_augraft_using_subcommand snapshot" -l onnxruntime -d 'ONNX Runtime\'s library [default: `ORT_DYLIB_PATH`, then the one that `cargo xtask onnxruntime` fetched]' -r -F
complete -c augraft -n "__fish_augraft_using_subcommand snapshot" -l check -d 'Compare instead of writing; exit code 1 when something differs'
complete -c augraft -n "__fish_augraft_using_subcommand snapshot" -s h -l help -d 'Print help'
complete -c augraft -n "__fish_augraft_using_subcommand experiment" -l seed -d 'Seed of every draw' -r
complete -c augraft -n "__fish_augraft_using_subcommand experiment" -l epoch -d 'Epoch: draws and order differ from epoch to epoch' -r
complete -c augraft -n "__fish_augraft_using_subcommand experiment" -l batch -d 'Samples in a batch' -r
complete -c augraft -n "__fish_augraft_using_subcommand experiment" -l limit -d 'Use only this many samples' -r
complete -c augraft -n "__fish_augraft_using_subcommand experiment" -l engine -d 'Engine that runs the model: tract or onnxruntime' -r
complete -c augraft -n "__fish_augraft_using_subcommand experiment" -l device -d 'Device: cpu, or cuda:N with onnxruntime' -r
complete -c augraft -n "__fish_augraft_using_subcommand experiment" -l onnxruntime -d 'ONNX Runtime\'s library [default: `ORT_DYLIB_PATH`, then the one that `cargo xtask onnxruntime` fetched]' -r -F
complete -c augraft -n "__fish_augraft_using_subcommand experiment" -l set -d 'Put a value into the file: KEY is a path such as `data.limit` or `experiment.interventions[0].sweep.side`, VALUE is YAML; can be given more than once' -r
complete -c augraft -n "__fish_augraft_using_subcommand experiment" -l out -d 'Folder to write to' -r -F
complete -c augraft -n "__fish_augraft_using_subcommand experiment" -l memory -d 'Bytes of activations that may be held at once; the results do not depend on it' -r
complete -c augraft -n "__fish_augraft_using_subcommand experiment" -l threads -d 'Threads to use [default: all cores]; the results do not depend on it' -r
complete -c augraft -n "__fish_augraft_using_subcommand experiment" -l resume -d 'Go on with a run that was broken off'
complete -c augraft -n "__fish_augraft_using_subcommand experiment" -s h -l help -d 'Print help'
complete -c augraft -n "__fish_augraft_using_subcommand compare" -l out -d 'Folder to write a report to' -r -F
complete -c augraft -n "__fish_augraft_using_subcommand compare" -s h -l help -d 'Print help'
complete -c augraft -n "__fish_augraft_using_subcommand schema" -s h -l help -d 'Print help'
complete -c augraft -n "__fish_augraft_using_subcommand new-plugin" -l path -d 'Folder to write, which must be empty or absent [default: the name]' -r -F
complete -c augraft -n "__fish_augraft_using_subcommand new-plugin" -l augraft -d 'A checkout of augraft that the plugin depends on' -r -F
complete -c augraft -n "__fish_augraft_using_subcommand new-plugin" -l git -d 'A git repository of augraft that the plugin depends on' -r
complete -c augraft -n "__fish_augraft_using_subcommand new-plugin" -s h -l help -d 'Print help'
complete -c augraft -n "__fish_augraft_using_subcommand completions" -s h -l help -d 'Print help'
complete -c augraft -n "__fish_augraft_using_subcommand help; and not __fish_seen_subcommand_from run explain operators sites engines export graft verify doctor split tensors snapshot experiment compare schema new-plugin completions help" -f -a "run" -d 'Run a pipeline over its data and write images, batches, labels, draws, predictions and a preview'
complete -c augraft -n "__fish_augraft_using_subcommand help; and not __fish_seen_subcommand_from run explain operators sites engines export graft verify doctor split tensors snapshot experiment compare schema new-plugin completions help" -f -a "explain" -d 'Print the plan of a pipeline: every step with its shapes and draws'
complete -c augraft -n "__fish_augraft_using_subcommand help; and not __fish_seen_subcommand_from run explain operators sites engines export graft verify doctor split tensors snapshot experiment compare schema new-plugin completions help" -f -a "operators" -d 'List the operators, or print the page of one'
complete -c augraft -n "__fish_augraft_using_subcommand help; and not __fish_seen_subcommand_from run explain operators sites engines export graft verify doctor split tensors snapshot experiment compare schema new-plugin completions help" -f -a "sites" -d 'List the tensors of an ONNX model at which steps can act'
complete -c augraft -n "__fish_augraft_using_subcommand help; and not __fish_seen_subcommand_from run explain operators sites engines export graft verify doctor split tensors snapshot experiment compare schema new-plugin completions help" -f -a "engines" -d 'Show which engines and devices work on this machine, and why the others do not'
complete -c augraft -n "__fish_augraft_using_subcommand help; and not __fish_seen_subcommand_from run explain operators sites engines export graft verify doctor split tensors snapshot experiment compare schema new-plugin completions help" -f -a "export" -d 'Write the input steps of a pipeline as an ONNX file'
complete -c augraft -n "__fish_augraft_using_subcommand help; and not __fish_seen_subcommand_from run explain operators sites engines export graft verify doctor split tensors snapshot experiment compare schema new-plugin completions help" -f -a "graft" -d 'Write a model with the input steps of a pipeline and its steps at tensors of the model inside, as one ONNX file'
complete -c augraft -n "__fish_augraft_using_subcommand help; and not __fish_seen_subcommand_from run explain operators sites engines export graft verify doctor split tensors snapshot experiment compare schema new-plugin completions help" -f -a "verify" -d 'Compare a file of `export` or `graft` with the native steps, on every engine: draws, what each step leaves, outputs'
complete -c augraft -n "__fish_augraft_using_subcommand help; and not __fish_seen_subcommand_from run explain operators sites engines export graft verify doctor split tensors snapshot experiment compare schema new-plugin completions help" -f -a "doctor" -d 'Say what is wrong with a model, and where steps can act: batch, engines, drift at every site'
complete -c augraft -n "__fish_augraft_using_subcommand help; and not __fish_seen_subcommand_from run explain operators sites engines export graft verify doctor split tensors snapshot experiment compare schema new-plugin completions help" -f -a "split" -d 'Write the parts of a model that is cut at tensors, as ONNX files that run one after the other'
complete -c augraft -n "__fish_augraft_using_subcommand help; and not __fish_seen_subcommand_from run explain operators sites engines export graft verify doctor split tensors snapshot experiment compare schema new-plugin completions help" -f -a "tensors" -d 'Write tensors of a model for the data of a pipeline, behind its input steps, to an .npz file'
complete -c augraft -n "__fish_augraft_using_subcommand help; and not __fish_seen_subcommand_from run explain operators sites engines export graft verify doctor split tensors snapshot experiment compare schema new-plugin completions help" -f -a "snapshot" -d 'Write what a pipeline draws and computes on its first batch to PIPELINE.snap, or compare with it'
complete -c augraft -n "__fish_augraft_using_subcommand help; and not __fish_seen_subcommand_from run explain operators sites engines export graft verify doctor split tensors snapshot experiment compare schema new-plugin completions help" -f -a "experiment" -d 'Run the experiment of a file: interventions at the input and inside of a model, measured and reported'
complete -c augraft -n "__fish_augraft_using_subcommand help; and not __fish_seen_subcommand_from run explain operators sites engines export graft verify doctor split tensors snapshot experiment compare schema new-plugin completions help" -f -a "compare" -d 'Put several runs of one experiment side by side'
complete -c augraft -n "__fish_augraft_using_subcommand help; and not __fish_seen_subcommand_from run explain operators sites engines export graft verify doctor split tensors snapshot experiment compare schema new-plugin completions help" -f -a "schema" -d 'Print the JSON schema of pipeline files'
complete -c augraft -n "__fish_augraft_using_subcommand help; and not __fish_seen_subcommand_from run explain operators sites engines export graft verify doctor split tensors snapshot experiment compare schema new-plugin completions help" -f -a "new-plugin" -d 'Write a crate of operators of your own, and a program that links it'
complete -c augraft -n "__fish_augraft_using_subcommand help; and not __fish_seen_subcommand_from run explain operators sites engines export graft verify doctor split tensors snapshot experiment compare schema new-plugin completions help" -f -a "completions" -d 'Print what a shell needs to complete this program\'s commands'
complete -c augraft -n "__fish_augraft_using_subcommand help; and not __fish_seen_subcommand_from run explain operators sites engines export graft verify doctor split tensors snapshot experiment compare schema new-plugin completions help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
